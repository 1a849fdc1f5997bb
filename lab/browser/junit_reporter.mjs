// SPDX-FileCopyrightText: The VMMC authors
// SPDX-License-Identifier: BSD-3-Clause
// A reporter for node's test runner: JUnit XML, as Bazel reads it.

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escape = (text) => String(text).replace(/[&<>"]/g, (letter) => ESCAPES[letter]).replace(/[^\t\n\r\x20-\ud7ff\ue000-\ufffd]/g, '?');
const reason = (error) => error?.cause?.stack ?? error?.cause ?? error?.message ?? error;

export default async function* junit(events) {
  const cases = [];
  for await (const { type, data } of events) {
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.details?.type === 'suite' || /_test\.mjs$/.test(data.name)) {
      if (type === 'test:pass') continue;
    }
    const failed = type === 'test:fail';
    cases.push({ failed, text: `  <testcase name="${escape(data.name)}" time="${(data.details?.duration_ms ?? 0) / 1000}">${failed ? `<failure>${escape(reason(data.details?.error))}</failure>` : ''}</testcase>\n` });
  }
  yield `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites><testsuite name="lab" tests="${cases.length}" failures="${cases.filter((one) => one.failed).length}">\n`;
  for (const { text } of cases) yield text;
  yield '</testsuite></testsuites>\n';
}
