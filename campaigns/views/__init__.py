"""The pages under / and /campaigns/: parse the request, call a work module, render finished values."""
