"""What a request costs as configurations and crowds grow; ``make bench ARGS="--only growth"``."""
