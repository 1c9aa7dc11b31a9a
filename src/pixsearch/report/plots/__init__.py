"""The figures of the page, a file for each stage that draws any."""
