"""What a table is: schemas, reasons, parts on disk or in a store, and the manifest of a build."""
