// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
//
// The machine's real-time channels: what is asked for, and what of it is noted as refused.

#include "nicsim/machine.h"

namespace vmmc::nicsim {
namespace {

template <typename Request>
real_time::ChannelAnswer not_in_simulated_time(const Request& request) {
  real_time::ChannelAnswer answer;
  answer.reply.header = request.header;
  answer.reply.header.status = wire::Status::kNotInSimulatedTime;
  return answer;
}

}  // namespace

real_time::ChannelAnswer Machine::open_channel(Process& process,
                                               const wire::OpenChannelRequest& request) {
  auto answer = clock_ == wire::kSimulatedTime ? not_in_simulated_time(request)
                                               : real_time_.open(process, request);
  noted(process, wire::MessageType::kOpenChannel, answer.reply.header.status, request.channel);
  return answer;
}

// That the channel is not open yet is no mistake: the library asks again.
real_time::ChannelAnswer Machine::connect_channel(Process& process,
                                                  const wire::ConnectChannelRequest& request) {
  auto answer = clock_ == wire::kSimulatedTime ? not_in_simulated_time(request)
                                               : real_time_.connect(process, request);
  if (answer.reply.header.status != wire::Status::kUnknownChannel) {
    noted(process, wire::MessageType::kConnectChannel, answer.reply.header.status, request.channel);
  }
  return answer;
}

wire::Status Machine::close_channel(Process& process, const wire::CloseChannelRequest& request) {
  return noted(process, wire::MessageType::kCloseChannel,
               clock_ == wire::kSimulatedTime ? wire::Status::kNotInSimulatedTime
                                              : real_time_.close(process, request.handle));
}

}  // namespace vmmc::nicsim
