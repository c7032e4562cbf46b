"""The paper's tables: which runs each needs, what came out, how it is written."""
