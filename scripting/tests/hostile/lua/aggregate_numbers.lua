-- refused: NaN into an aggregate.
value = { q = quantile("len", 0 / 0) }
