-- The next cells of the cursor audit_leaves.
FETCH FORWARD 300 FROM audit_leaves
