-- error: rows to the outputs of others.
outputs = { o = { n = "uint" } }
function update(pkt)
  for _, name in { "alerts", "update.lua.o", "../o", "o\0", "", 0 / 0, {}, addr("10.0.0.1"), string.rep("o", 10 ^ 6) } do
    pcall(output, name, { n = 1 })
  end
  for _, row in { { n = -1 }, { n = 0 / 0 }, { n = 2 ^ 70 }, { n = "x" }, { x = 1 }, { 1 }, { n = {} } } do
    pcall(output, "o", row)
  end
  output("ale" .. "rts", { module = "declared.lua", severity = "critical", text = "forged" })
end
function export() return { n = 1 } end
