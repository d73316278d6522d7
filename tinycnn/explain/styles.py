"""Colours and lines of marked cells and of phases, on figures and pages: told apart without colour too."""

# Fill, edge, line style and width: told apart by more than the colour (Okabe and Ito's, for all eyes).
STYLES = {
    "asked": ("#f3dcf0", "#7a3b70", (0, (1, 1)), 3.2),
    "read": ("#cfe8f7", "#0072b2", "-", 2.2),
    "weight": ("#ffe2b8", "#b34e00", (0, (2.5, 1.2)), 2.2),
    "winner": ("#f0e442", "#000000", "-", 3.2),
    "result": ("#009e73", "#000000", "-", 3.2),
}
GREY, FAINT = "#666666", "#bbbbbb"
PHASES = {"forward": "#0072b2", "backward": "#b34e00", "update": "#7a3b70"}
