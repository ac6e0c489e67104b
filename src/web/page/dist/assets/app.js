// The page is built from TypeScript.
