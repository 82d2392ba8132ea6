-- memory|cpu: pcall around a full memory, for ever.
function init() return {} end
function update(pkt, state)
  while true do
    pcall(function() local t = {} while true do t[#t + 1] = ("x"):rep(2 ^ 20) .. #t end end)
  end
end
function export(state) return { n = 1 } end
