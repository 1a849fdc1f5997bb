// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// Small scenes for the page's tests; of the form of lab/scenes.

const pair = [{ name: 'sender', node: 0 }, { name: 'receiver', node: 1 }];
const map = [{ actor: 'receiver', do: 'export', buffer: 7, pages: 4 }, { actor: 'sender', do: 'import', from: 'receiver', buffer: 7, as: 'inbox' }];

export const scenes = [
  {
    id: 'map', number: 1, title: 'Map', learn: 'A transfer needs an export and an import first: rights are checked once, when the mapping is made.',
    machine: { clock: 'shrimp-2', rows: 1, columns: 2 }, actors: pair, setup: [], look: [{ actor: 'receiver', buffer: 7, page: 0 }],
    steps: [
      {
        id: 'right-key', title: 'Export and import', predict: { question: 'Which table gets an entry when the receiver exports its buffer?', choices: ['The outgoing page table of the sender', 'The incoming page table of the receiver', 'Both tables of both nodes'], answer: 1 },
        parameters: [], commands: map, expect: [], explain: 'The export fills the incoming page table: from now on the incoming DMA engine may write these pages. The import fills the outgoing page table of the sender.',
      },
      {
        id: 'wrong-key', title: 'Import what is not for you', predict: { question: 'What happens to an import without the right?', choices: ['It is refused at once', 'It is granted, and the first transfer is refused'], answer: 0 },
        parameters: [], commands: [{ actor: 'sender', do: 'import', from: 'receiver', buffer: 8, as: 'other' }], expect: [], explain: 'The control server refuses it: the sender gets no proxy at all.',
      },
    ],
  },
  {
    id: 'deliberate-update', number: 2, title: 'Deliberate update', learn: 'The sender moves bytes into memory of the receiver, which executes nothing.',
    machine: { clock: 'shrimp-2', rows: 1, columns: 2 }, actors: pair, setup: map, look: [{ actor: 'receiver', buffer: 7, page: 0 }],
    steps: [{
      id: 'send', title: 'Send', predict: { question: 'How many packets does a transfer of 8 KiB become, if a packet never crosses a page?', choices: ['1', '2', '8', '2,048'], answer: 1 },
      parameters: [{ name: 'bytes', label: 'Bytes', values: [64, 4096, 8192, 16384], initial: 8192 }],
      commands: [{ actor: 'sender', do: 'send', proxy: 'inbox', bytes: '$bytes' }], expect: [],
      explain: 'The deliberate update engine reads the source by DMA, the packetizer cuts at page boundaries, and the incoming DMA engine writes memory. No instruction of the receiver was executed.',
    }],
  },
  {
    id: 'crossover', number: 3, title: 'Deliberate or automatic update', learn: 'Which of the two is faster depends on how much of a page changes.',
    machine: { clock: 'shrimp-2', rows: 1, columns: 2 }, actors: pair, setup: map, look: [{ actor: 'receiver', buffer: 7, page: 0 }],
    steps: [{
      id: 'density', title: 'Sparse and dense stores', parameters: [{ name: 'density', label: 'Words stored, percent', values: [1, 2, 5, 10, 20, 50, 100], initial: 1 }],
      commands: [{ actor: 'sender', do: 'update', proxy: 'inbox', bytes: 4096, density: '$density', by: 'deliberate' }, { actor: 'sender', do: 'update', proxy: 'inbox', bytes: 4096, density: '$density', by: 'automatic' }],
      expect: [], explain: 'A deliberate update moves the whole page whatever has changed; an automatic update moves each store.',
      plot: { x: 'density', y: 'ns', of: [{ label: 'deliberate update', command: 0 }, { label: 'automatic update', command: 1 }] },
    }],
  },
  {
    id: 'failure', number: 10, title: 'Failure', learn: 'When a process dies, whoever imports from it is told.', machine: { clock: 'shrimp-2', rows: 1, columns: 2 }, actors: pair, setup: map,
    steps: [{ id: 'kill', title: 'Kill the receiver', parameters: [], commands: [{ do: 'kill', actor: 'receiver' }, { actor: 'sender', do: 'send', proxy: 'inbox', bytes: 64 }], expect: [], explain: 'The proxy leads nowhere any more; the send says so.' }],
  },
  { id: 'free-play', number: 0, title: 'Free play', learn: 'Do what you like: every button is one call of the public interface.', machine: { clock: 'real', rows: 2, columns: 2 }, actors: [{ name: 'ann', node: 0 }, { name: 'bob', node: 3 }], setup: [], steps: [] },
];
