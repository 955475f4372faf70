"""One run of one workspace, a folder a stage: run, extract, stage, gate, judge, publish."""
