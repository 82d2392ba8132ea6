-- error: NaN and huge numbers into the library.
function init() return {} end
function update(pkt, state)
  for _, n in { 0 / 0, 1 / 0, -1 / 0, 2 ^ 53, -2 ^ 63, 1e308 } do
    pcall(bit32.lshift, 1, n) pcall(string.byte, "x", n) pcall(string.sub, "x", n, n) pcall(string.char, n)
    pcall(math.random, n) pcall(utf8.char, n) pcall(utf8.codepoint, "x", n) pcall(table.create, n)
    pcall(table.insert, {}, n, 1) pcall(table.remove, {}, n) pcall(buffer.create, n) pcall(select, n, 1)
    pcall(buffer.readu8, buffer.create(4), n) pcall(string.rep, "x", n) pcall(top, { 1 }, n) pcall(bit32.extract, 1, n, n)
    pcall(table.concat, { 1 }, "", n, n) pcall(table.unpack, { 1 }, n, n) pcall(string.format, "%d", n)
    pcall(vector.create, n, n, n) pcall(coroutine.resume, n) pcall(rawset, {}, n, 1) pcall(buffer.writestring, buffer.create(4), n, "x")
  end
  error("done")
end
function export(state) return { n = 1 } end
