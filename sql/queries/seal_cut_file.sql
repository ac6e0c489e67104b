-- Takes dead corrections away and cuts empty pages off the end of their file, which the table's
-- own settings keep autovacuum from. All dead ones: a few whose entries in indexes vacuum would
-- leave for later would keep their pages.
-- Everybody is locked out while the file is cut, some milliseconds. Waits for nobody: where others
-- have the table at work it tries for five seconds, and lets those pass who come meanwhile.
VACUUM (TRUNCATE, INDEX_CLEANUP on, SKIP_LOCKED) corrections
