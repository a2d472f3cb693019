import base from './playwright.config';

/** Tests that measure: one at a time, on a Lab of their own that `large.py` starts. */
export default {
  ...base,
  testDir: 'large',
  outputDir: 'test-results/large',
  timeout: 45_000,
  workers: 1,
  projects: [{ name: 'large' }],
  // a trace takes as much of the machine as what is measured
  use: { ...base.use, trace: 'off' }
};
