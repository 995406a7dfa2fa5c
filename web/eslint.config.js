import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist", ".test", "*.mjs", "*.js", "test/*.mjs"] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/explicit-function-return-type": ["error", { allowExpressions: true }],
      "@typescript-eslint/no-confusing-void-expression": "off",
      // Indices are within bounds where the code says so.
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
    },
  },
  // Node's runner waits for its tests itself.
  { files: ["test/*.ts"], rules: { "@typescript-eslint/no-floating-promises": "off" } },
);
