"""Reading: paths or arrays to blocks of rows, roles to columns, alignment by key. The only room that knows pyarrow."""
