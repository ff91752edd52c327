"""What the figures that show images share: light on dark, and colours that colour-blind eyes tell apart."""

INK, PAPER, QUIET, LINE = "0.95", "0.08", "0.65", "0.3"

#: Okabe and Ito's colours.
ORANGE, SKY, GREEN, YELLOW, PINK, RED, BLUE = (
    "#e69f00",
    "#56b4e9",
    "#009e73",
    "#f0e442",
    "#cc79a7",
    "#d55e00",
    "#0072b2",
)
