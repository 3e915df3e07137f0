import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// The collector serves dist/ under a content security policy without inline script or style, so nothing may be inlined.
export default defineConfig({
  plugins: [svelte()],
  base: '/',
  build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 300 },
  css: { preprocessorOptions: { scss: { quietDeps: true, loadPaths: ['node_modules'] } } },
  server: { proxy: { '/api': { target: 'https://127.0.0.1:8443', secure: false } } },
  test: { include: ['src/**/*.test.ts'] },
});
