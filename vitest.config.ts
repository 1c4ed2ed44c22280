import { defineConfig } from 'vitest/config'

// A shared host now and then stands still for seconds, an emulated machine on it for a minute; what passes at the second try only is named.
const SECOND_TRIES = process.env['CI'] ? 1 : 0

const SETUP = ['test/support/random-seed.ts']

// What is looked for again and again is there soon or never: a second, which is vitest's, is not enough beside other tests.
const EXPECT = { poll: { timeout: 10_000 } }

// What failed is often read where the end of the output is all there is: values as they were, in place of [ Array(1) ].
const MESSAGES = { truncateThreshold: 2000 }

// They count single packets, hold a clock against what heals, end instances seconds after they have left whatever the machine does, or ask for minutes of its work at once: what it
// does for others would count as theirs.
const ALONE = ['demo', 'road-consul', 'road-forwarding', 'road-snat-heals', 'snat-sink'].map(
  (name) => `test/kernel/${name}.test.ts`,
)

/** Each worker has a lab of its own. */
function kernelTests(name: string, files: { readonly include: string[]; readonly exclude: string[] }, maxWorkers: number) {
  return {
    test: {
      name,
      ...files,
      globalSetup: ['test/kernel/global-setup.ts'],
      setupFiles: SETUP,
      expect: EXPECT,
      chaiConfig: MESSAGES,
      maxWorkers,
      retry: SECOND_TRIES,
      testTimeout: 300_000,
      hookTimeout: 300_000,
    },
  }
}

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          setupFiles: SETUP,
          expect: EXPECT,
          chaiConfig: MESSAGES,
          retry: SECOND_TRIES,
          // Beside the tests of other tiers.
          testTimeout: 20_000,
        },
      },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          // Most of them wait for a server, a clock or a fault most of the time.
          maxWorkers: 4,
          retry: SECOND_TRIES,
          globalSetup: ['test/integration/global-setup.ts'],
          setupFiles: SETUP,
          expect: EXPECT,
          chaiConfig: MESSAGES,
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'containers',
          include: ['test/containers/**/*.test.ts'],
          globalSetup: ['test/containers/support/global-setup.ts'],
          setupFiles: ['test/containers/support/each-file.ts'],
          fileParallelism: false,
          expect: EXPECT,
          chaiConfig: MESSAGES,
          retry: SECOND_TRIES,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      kernelTests('kernel', { include: ['test/kernel/**/*.test.ts'], exclude: ALONE }, 2),
      kernelTests('kernel-alone', { include: ALONE, exclude: [] }, 1),
    ],
  },
})
