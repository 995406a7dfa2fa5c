"""Results, tables, Markdown, CSV, pictures and the machine's description: one place for all reports and the study."""
