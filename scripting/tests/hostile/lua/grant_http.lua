-- grants: pages that nobody granted, and what is no page.
function update() end
function export()
  for _, url in { "http://127.0.0.1/", "http://[::1]:80/", "http://a@127.0.0.1/", "https://x/", "file:///etc/passwd",
    "http://" .. string.rep("x", 10 ^ 6), "http://a\r\nHost: b/", "", 0 / 0, {}, true } do
    pcall(http.fetch, url)
  end
  return { got = http.fetch("http://127.0.0.1:44444/status") }
end
