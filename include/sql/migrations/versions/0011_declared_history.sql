-- Purpose: declared data with its history.

SELECT 1;
