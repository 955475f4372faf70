-- Purpose: exceptions on published results.

SELECT 1;
