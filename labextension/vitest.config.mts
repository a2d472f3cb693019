import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/__tests__/**/*.spec.{ts,tsx}'],
    environment: 'jsdom',
    restoreMocks: true,
    // a machine under load is slow, not wrong
    testTimeout: 60_000
  }
});
