-- Purpose: the frameworks that tests give evidence for.

SELECT DISTINCT controls.framework
FROM compliance.test_controls AS controls
ORDER BY controls.framework ASC;
