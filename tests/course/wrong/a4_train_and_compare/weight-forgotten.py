# %% [markdown] lost={"test-tune": 25} name="none"
# Every candidate is trained with the weight of the preset.

# %% nbgrader={"grade_id": "tune", "solution": true} replace={"config_of(\"lnl\", adv_weight=float(candidate))": "config_of(\"lnl\")"}
