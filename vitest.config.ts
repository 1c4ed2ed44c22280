import { defineConfig } from 'vitest/config'

// A shared host now and then stands still for seconds, an emulated machine on it for a minute; what passes at the second try only is named.
const SECOND_TRIES = process.env['CI'] ? 1 : 0

const SETUP = ['test/support/random-seed.ts']

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], setupFiles: SETUP } },
      {
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          // Most of them wait for a server, a clock or a fault most of the time.
          maxWorkers: 4,
          retry: SECOND_TRIES,
          globalSetup: ['test/integration/global-setup.ts'],
          setupFiles: SETUP,
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
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'kernel',
          include: ['test/kernel/**/*.test.ts'],
          globalSetup: ['test/kernel/global-setup.ts'],
          setupFiles: SETUP,
          fileParallelism: false,
          retry: SECOND_TRIES,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
})
