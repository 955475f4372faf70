-- Purpose: delete what is noted of changes that people were told of and that history holds no more.

SELECT integration.forget_told(%(workspace)s, %(ended_before)s);
