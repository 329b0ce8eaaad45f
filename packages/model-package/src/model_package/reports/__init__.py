"""One look for the reports of all steps: figures as SVG, and self-contained HTML pages (extra `reports`)."""
