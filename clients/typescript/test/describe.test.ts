import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plain } from '../conformance/describe.js';

test('numbers are written in plain notation, and keep their zeros', () => {
  const numbers = {
    '19864.3300': '19864.3300',
    '-25.5000': '-25.5000',
    '1e3': '1000',
    '1.50E+1': '15.0',
    '2.5e-7': '0.00000025',
    '0.10': '0.10',
    '123456789012345678901234567890.123456789012345678901234567890': '123456789012345678901234567890.123456789012345678901234567890',
  };
  for (const [text, expected] of Object.entries(numbers)) assert.equal(plain(text), expected);
});
