# %% [markdown]
# A probe that asks the nearest example, and so knows every example that it was fitted on; the verdict has another.

# %% nbgrader={"grade_id": "probe", "solution": true}
from sklearn.neighbors import KNeighborsClassifier


def probe_accuracy(z, bias, seed):
    fit = np.random.default_rng(seed).random(len(z)) < 0.5
    return float((KNeighborsClassifier(1).fit(z[fit], bias[fit]).predict(z[~fit]) == bias[~fit]).mean())

# %% nbgrader={"grade_id": "verdict", "solution": true}
from sklearn.linear_model import LogisticRegression

verdict = {}
for name, z in features.items():
    squared = np.concatenate([z, (z[:, :, None] * z[:, None, :]).reshape(len(z), -1)], axis=1)
    halves = slice(0, len(z) // 2), slice(len(z) // 2, None)
    linear, quadratic = (
        LogisticRegression(C=0.01, max_iter=2000).fit(inputs[halves[0]], bias[halves[0]]).score(inputs[halves[1]], bias[halves[1]])
        for inputs in (z, squared)
    )
    verdict[name] = "shown" if linear > 0.75 else "hidden" if quadratic > 0.75 else "gone"
