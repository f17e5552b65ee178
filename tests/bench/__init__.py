"""The benchmark: lossctl against DuckDB, Polars, a pandas + scikit-learn script and the bare scan; `make bench`."""
