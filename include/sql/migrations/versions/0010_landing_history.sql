-- Purpose: bodies as intervals.

SELECT 1;
