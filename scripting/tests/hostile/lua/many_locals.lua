-- any: more locals than a function holds.
⟪300*local a# = # ⟫
value = { n = count() }
