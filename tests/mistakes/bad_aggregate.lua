-- How long packets are.
key = { proto = "ip.proto" }
value = {
  bytes = sum("lenn"),
  longest = quantile("len", 99),
  ports = topk("dport", "five"),
}
