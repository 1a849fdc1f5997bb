-- SPDX-FileCopyrightText: The VMMC authors
-- SPDX-License-Identifier: BSD-3-Clause
--
-- Wireshark's view of the files of 'vmmctrace pcapng': link type USER0 (147); docs/format.md has the header.
--
--   wireshark -X lua_script:vmmc.lua run.pcapng

local vmmc = Proto("vmmc", "Virtual memory-mapped communication")

local header_bytes = 72
local any_process = 0xffffffff

local events = {
  [23] = "packet_sent", [24] = "packet_crossed", [25] = "incoming_lookup", [26] = "memory_written",
  [40] = "packet_dropped", [41] = "packet_corrupted",
}
local outcomes = {
  [23] = "sent", [24] = "arrived in a page that is lent", [25] = "refused", [26] = "written to memory",
  [40] = "dropped by the fault plan", [41] = "thrown away: wrong checksum",
}
local datagram = 32
local kinds = {
  [1] = "deliberate update", [2] = "automatic update", [3] = "fetch", [4] = "atomic",
  [datagram] = "real-time datagram",
}
local statuses = {
  [0] = "OK", [-4] = "VERSION", [-5] = "USER_NOT_ALLOWED", [-6] = "NO_SUCH_NODE",
  [-7] = "PROCESS_ID_IN_USE", [-8] = "TOO_MANY_PROCESSES", [-10] = "OUT_OF_MEMORY", [-20] = "DUPLICATE_ID",
  [-21] = "OVERLAP", [-22] = "MISALIGNED", [-23] = "ZERO_LENGTH", [-24] = "LENGTH_OVERFLOW",
  [-26] = "INVALID_RIGHTS", [-27] = "UNKNOWN_EXPORT", [-28] = "TOO_MANY_EXPORTS",
  [-31] = "NOT_REDIRECTABLE", [-32] = "UNKNOWN_REDIRECTION", [-33] = "TOO_MANY_REDIRECTIONS",
  [-41] = "PERMISSION_DENIED", [-42] = "TOO_MANY_IMPORTS", [-43] = "DESTINATION_SPACE_FULL",
  [-44] = "UNKNOWN_IMPORT", [-45] = "CANCELLED", [-46] = "EXECUTOR_UNAVAILABLE", [-60] = "OUTSIDE_PROXY",
  [-61] = "UNEXPORTED", [-62] = "PEER_DEAD", [-63] = "NOT_WRITABLE", [-64] = "BAD_SOURCE",
  [-67] = "NOT_READABLE", [-75] = "NOT_IN_SIMULATED_TIME", [-80] = "MALFORMED", [-90] = "TRACE_IS_ON", [-91] = "TRACE_IS_OFF",
  [-100] = "UNKNOWN_RING", [-101] = "BAD_RING", [-102] = "TOO_MANY_RINGS", [-103] = "BAD_FRAME_SOURCE",
  [-104] = "NOT_A_CAPTURE", [-105] = "CORRUPT_CAPTURE", [-106] = "TRUNCATED_CAPTURE",
  [-107] = "FRAME_SOURCE_GONE", [-110] = "UNKNOWN_CHANNEL", [-111] = "BAD_BUDGET",
  [-112] = "NIC_OVERCOMMITTED", [-113] = "DEADLINE_TOO_SHORT", [-114] = "RESERVATION_FULL",
  [-115] = "TOO_MANY_CHANNELS", [-116] = "CHANNEL_TAKEN",
  [-117] = "OVER_BUDGET", [-92] = "DATAGRAM_LOST",
}

local f = {
  version = ProtoField.uint8("vmmc.version", "Version of this header"),
  event = ProtoField.uint8("vmmc.event", "Event", base.DEC, events),
  kind = ProtoField.uint8("vmmc.kind", "Kind", base.DEC, kinds),
  notifies = ProtoField.bool("vmmc.notifies", "Asks for a notification", 8, nil, 0x01),
  last_packet = ProtoField.bool("vmmc.last_packet", "Last packet of the operation", 8, nil, 0x02),
  lends_page = ProtoField.bool("vmmc.lends_page", "Lends a page", 8, nil, 0x04),
  status = ProtoField.int32("vmmc.status", "Status", base.DEC, statuses),
  from_node = ProtoField.uint16("vmmc.from_node", "From node"),
  to_node = ProtoField.uint16("vmmc.to_node", "To node"),
  from_process = ProtoField.uint32("vmmc.from_process", "From process"),
  to_process = ProtoField.uint32("vmmc.to_process", "To process"),
  buffer = ProtoField.uint32("vmmc.buffer", "Receive buffer, or real-time channel"),
  packet = ProtoField.uint32("vmmc.packet", "Packet of the operation"),
  page = ProtoField.uint32("vmmc.page", "Incoming page, or the one that is lent"),
  operation = ProtoField.uint64("vmmc.operation", "Operation"),
  offset = ProtoField.uint64("vmmc.offset", "Offset in the buffer"),
  length = ProtoField.uint64("vmmc.length", "Length"),
  time = ProtoField.uint64("vmmc.time", "Time (ps)"),
  duration = ProtoField.uint64("vmmc.duration", "Duration (ps)"),
  content = ProtoField.bytes("vmmc.content", "Content"),
  sent_in = ProtoField.framenum("vmmc.sent_in", "Sent in", base.NONE, frametype.REQUEST),
  transit = ProtoField.double("vmmc.transit", "From being sent to the end of this (ns)"),
}
for _, field in pairs(f) do table.insert(vmmc.fields, field) end

local refused = ProtoExpert.new("vmmc.refused", "The receiving interface has refused the packet",
                                expert.group.RESPONSE_CODE, expert.severity.ERROR)
local lost = ProtoExpert.new("vmmc.lost", "The fault plan has taken the packet",
                             expert.group.SEQUENCE, expert.severity.WARN)
local unknown = ProtoExpert.new("vmmc.unknown", "Not a header that this dissector knows",
                                expert.group.MALFORMED, expert.severity.ERROR)
vmmc.experts = { refused, lost, unknown }

-- When and where a packet was sent, by operation, packet and way.
local sent = {}
-- For a frame that ends a packet: what `sent` said when it was first looked at.
local sent_of_frame = {}

function vmmc.init()
  sent = {}
  sent_of_frame = {}
end

local function process_name(node, process)
  local text = "node " .. node
  if process ~= any_process then text = text .. " process " .. process end
  return text
end

local function add_fields(tree, buffer)
  tree:add_le(f.version, buffer(0, 1))
  tree:add_le(f.event, buffer(1, 1))
  tree:add_le(f.kind, buffer(2, 1))
  tree:add_le(f.notifies, buffer(3, 1))
  tree:add_le(f.last_packet, buffer(3, 1))
  tree:add_le(f.lends_page, buffer(3, 1))
  local status = tree:add_le(f.status, buffer(4, 4))
  tree:add_le(f.from_node, buffer(8, 2))
  tree:add_le(f.to_node, buffer(10, 2))
  if buffer(12, 4):le_uint() ~= any_process then tree:add_le(f.from_process, buffer(12, 4)) end
  if buffer(16, 4):le_uint() ~= any_process then tree:add_le(f.to_process, buffer(16, 4)) end
  tree:add_le(f.buffer, buffer(20, 4))
  tree:add_le(f.packet, buffer(24, 4))
  tree:add_le(f.page, buffer(28, 4))
  tree:add_le(f.operation, buffer(32, 8))
  tree:add_le(f.offset, buffer(40, 8))
  tree:add_le(f.length, buffer(48, 8))
  tree:add_le(f.time, buffer(56, 8))
  tree:add_le(f.duration, buffer(64, 8))
  if buffer:len() > header_bytes then tree:add(f.content, buffer(header_bytes)) end
  return status
end

-- The frame in which this packet was sent, and how long it has taken.
local function add_way(tree, buffer, number, visited, event)
  local key = tostring(buffer(32, 8):le_uint64()) .. "." .. buffer(24, 4):le_uint() .. "." ..
              buffer(8, 2):le_uint() .. "." .. buffer(10, 2):le_uint()
  if event == 23 then
    if not visited then sent[key] = { frame = number, time = buffer(56, 8):le_uint64() } end
    return
  end
  if not visited then sent_of_frame[number] = sent[key] end
  local from = sent_of_frame[number]
  if from == nil then return end
  tree:add(f.sent_in, from.frame):set_generated()
  local ends = buffer(56, 8):le_uint64() + buffer(64, 8):le_uint64()
  tree:add(f.transit, (ends - from.time):tonumber() / 1000):set_generated()
end

function vmmc.dissector(buffer, pinfo, root)
  pinfo.cols.protocol = "VMMC"
  local tree = root:add(vmmc, buffer())
  if buffer:len() < header_bytes or buffer(0, 1):uint() ~= 1 then
    pinfo.cols.info = "not a header that this dissector knows"
    tree:add_proto_expert_info(unknown)
    return
  end
  local event = buffer(1, 1):uint()
  local kind = kinds[buffer(2, 1):uint()] or "operation"
  local destination = buffer(2, 1):uint() == datagram and "channel " or "buffer "
  local code = buffer(4, 4):le_int()
  local from = process_name(buffer(8, 2):le_uint(), buffer(12, 4):le_uint())
  local to = process_name(buffer(10, 2):le_uint(), buffer(16, 4):le_uint())
  pinfo.cols.src = from
  pinfo.cols.dst = to
  local title = kind .. " " .. tostring(buffer(32, 8):le_uint64()) .. ", packet " .. buffer(24, 4):le_uint()
  local text = title .. ": " .. tostring(buffer(48, 8):le_uint64()) .. " bytes for " .. destination ..
               buffer(20, 4):le_uint() .. " at " .. tostring(buffer(40, 8):le_uint64()) .. ", " ..
               (outcomes[event] or "event " .. event)
  if event == 25 then text = text .. ": " .. (statuses[code] or tostring(code)) end
  pinfo.cols.info = text
  tree:append_text(", " .. title)
  local status = add_fields(tree, buffer)
  if event == 25 then status:add_proto_expert_info(refused) end
  if event == 40 or event == 41 then tree:add_proto_expert_info(lost) end
  add_way(tree, buffer, pinfo.number, pinfo.visited, event)
end

DissectorTable.get("wtap_encap"):add(wtap.USER0, vmmc)
