"""Reading: paths or arrays to blocks of rows, roles to columns, alignment by key. Only here does pyarrow read files."""
