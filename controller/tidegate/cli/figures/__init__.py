"""Pictures of the evidence over time: in a terminal, or as SVG and PNG."""
