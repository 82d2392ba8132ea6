-- error: a long plain search in a long text.
function init() return {} end
function update(pkt, state)
  return ("a"):rep(2 ^ 16):find(("a"):rep(2 ^ 14) .. "b", 1, true)
end
function export(state) return { n = 1 } end
