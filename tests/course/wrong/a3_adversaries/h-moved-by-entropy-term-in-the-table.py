# %% [markdown] lost={"test-moves": 20} name="h-moved-by-entropy-term"
# "The loss of Eq. 6 contains h, so h descends it."

# %% nbgrader={"grade_id": "moves", "solution": true}
moves = {"baseline": {"f": {"L_c": 1}, "g": {"L_c": 1}, "h": {}}}
moves["grl"] = {"f": {"L_c": 1, "L_B": -1}, "g": {"L_c": 1}, "h": {"L_B": 1}}
moves["blind_eye"] = {"f": {"L_c": 1, "L_conf": 1}, "g": {"L_c": 1}, "h": {"L_B": 1}}
moves["lnl"] = {"f": {"L_c": 1, "N": 1, "L_B": -1}, "g": {"L_c": 1}, "h": {"N": 1, "L_B": 1}}
