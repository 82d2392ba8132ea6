-- error|cpu: alerts that are too long, too wide, or none.
function update(pkt)
  local wide = {}
  for n = 1, 5000 do wide["f" .. n] = string.rep("x", 100) end
  for _, odd in { wide, { s = string.rep("x", 10 ^ 6) }, { [1] = 2 }, { n = 0 / 0 }, { n = 2 ^ 70 }, { f = print } } do
    pcall(alert, "info", "x", odd)
    pcall(alert, odd)
  end
  for _, odd in { 0 / 0, 2 ^ 63, {}, true, addr("10.0.0.1"), string.rep("\0\27[2J", 10 ^ 5) } do
    pcall(alert, odd, odd, odd)
    pcall(alert, "info", odd)
  end
  alert("info", "x", { s = string.rep("x", 10 ^ 6) })
end
function export() return { n = 1 } end
