-- refused: the least of less than none.
value = { q = topk("dport", -5) }
