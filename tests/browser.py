"""HTML pages as Chromium shows them."""

import html
import json
import re
import shutil
import subprocess

import pytest

WIDTHS = (1280, 400)

_LOOK = """
onload = () => {
  const seen = [...document.querySelectorAll('iframe')].map(frame => {
    const page = frame.contentDocument, root = page.documentElement;
    return {
      width: frame.contentWindow.innerWidth, scroll: root.scrollWidth, title: page.title,
      language: root.lang, text: page.body.innerText,
      pictures: [...page.images].map(i => [i.naturalWidth, i.alt, i.getBoundingClientRect().width]),
      spilt: [...page.images].filter(i => i.closest('.view')).filter(i => {
        const [own, room] = [i, i.closest('.view')].map(e => e.getBoundingClientRect());
        return own.bottom > room.bottom + 1 || own.right > room.right + 1;
      }).length,
      smallest: Math.min(...[...page.querySelectorAll('TEXT')]
        .map(e => parseFloat(frame.contentWindow.getComputedStyle(e).fontSize))),
    };
  });
  document.getElementById('seen').textContent = JSON.stringify(seen);
};
"""


def look_at(page, profile, *, height, text):
    """Open a file at every width; gives what is seen, and what the console says.

    ``height`` is that of a view in pixels; ``text`` selects what the smallest font is looked for in.
    Skips where there is no Chromium.
    """
    names = ("chromium", "chromium-browser", "google-chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    if chromium is None:
        pytest.skip("no Chromium here")
    frames = "".join(
        f'<iframe src="{page.name}" style="width: {width}px; height: {height}px; border: 0"></iframe>'
        for width in WIDTHS
    )
    wrapper = page.with_name("wrapper.html")
    wrapper.write_text(
        f'<!DOCTYPE html><meta charset="utf-8"><body>{frames}<pre id="seen"></pre>'
        f"<script>{_LOOK.replace('TEXT', text)}</script>",
        encoding="utf-8",
    )
    command = [
        chromium, "--headless=new", "--no-sandbox", "--disable-gpu",
        f"--window-size=1400,{2 * height + 200}", f"--user-data-dir={profile}",
        "--enable-logging=stderr", "--v=0", "--allow-file-access-from-files", "--dump-dom",
        wrapper.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout, re.DOTALL)
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(html.unescape(found[1])), console
