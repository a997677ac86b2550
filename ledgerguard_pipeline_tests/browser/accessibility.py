"""What anybody needs to use a page, measured in the page (WCAG 2.2, level AA)."""

from __future__ import annotations

from playwright.sync_api import Page

_FINDINGS = """() => {
  const found = [];
  const note = (rule, element) => found.push(rule + ': ' + element.outerHTML.slice(0, 160));
  const named = (element) => {
    const label = element.getAttribute('aria-label');
    const ids = element.getAttribute('aria-labelledby');
    if (label && label.trim()) return true;
    if (ids) return ids.split(' ').every((id) => document.getElementById(id));
    return !!element.textContent.trim();
  };
  if (!document.documentElement.lang) found.push('the document has no language');
  if (!document.title.trim()) found.push('the document has no title');
  if (document.querySelectorAll('main').length !== 1) found.push('not exactly one main');
  if (document.querySelectorAll('h1').length !== 1) found.push('not exactly one h1');
  if (!document.querySelector('meta[name=viewport]')) found.push('no viewport');
  let level = 0;
  for (const heading of document.querySelectorAll('h1,h2,h3,h4,h5,h6')) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) note('a heading level is left out', heading);
    level = own;
  }
  const ids = new Set();
  for (const element of document.querySelectorAll('[id]')) {
    if (ids.has(element.id)) note('an id is used twice', element);
    ids.add(element.id);
  }
  for (const element of document.querySelectorAll('input:not([type=hidden]),select,textarea')) {
    if (!element.labels.length) note('a field has no label', element);
    for (const id of (element.getAttribute('aria-describedby') || '').split(' ')) {
      if (id && !document.getElementById(id)) note('a description is missing', element);
    }
  }
  for (const element of document.querySelectorAll('a[href],button,summary,meter,nav,article')) {
    if (!named(element)) note('it has no name', element);
  }
  for (const element of document.querySelectorAll('section')) {
    if (!named(element) || !element.hasAttribute('aria-labelledby')) note('no name', element);
  }
  for (const element of document.querySelectorAll('img')) {
    if (!element.hasAttribute('alt')) note('an image has no alternative', element);
  }
  for (const element of document.querySelectorAll('th')) {
    if (!element.scope) note('a header cell has no scope', element);
  }
  for (const element of document.querySelectorAll('table')) {
    if (!element.querySelector('thead th')) note('a table has no headers', element);
  }
  for (const element of document.querySelectorAll('[tabindex]')) {
    if (element.tabIndex > 0) note('it changes the order of tabbing', element);
  }
  for (const element of document.querySelectorAll('.button, button:not(.plain), summary')) {
    const box = element.getBoundingClientRect();
    if (box.width && (box.height < 24 || box.width < 24)) note('too small to hit', element);
  }
  return found;
}"""

_CONTRASTS = """() => {
  const parse = (text) => {
    const numbers = text.match(/[0-9.]+/g).map(Number);
    return numbers.length === 3 ? [...numbers, 1] : numbers;
  };
  const over = (top, under) => [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const layers = [];
    for (let each = element; each; each = each.parentElement) {
      const colour = parse(getComputedStyle(each).backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]);
  };
  const worst = new Map();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.getClientRects().length) continue;
    if (element.closest('.hidden, .skip')) continue;
    const style = getComputedStyle(element);
    const under = ground(element);
    const [a, b] = [light(over(parse(style.color), under)), light(under)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const key = style.color + ' on ' + under.map(Math.round) + (large ? ' large' : '');
    const share = ratio / (large ? 3 : 4.5);
    if (!worst.has(key) || worst.get(key) > share) worst.set(key, share);
  }
  return [...worst].map(([key, share]) => [key, share]);
}"""

_BROKEN = """() => {
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const parent = node.parentElement;
    if (!parent.getClientRects().length || parent.closest('.hidden, code')) continue;
    const head = parent.closest('thead');
    if (head && head.getBoundingClientRect().width < 2) continue;
    for (const match of node.textContent.matchAll(/\\p{L}{3,14}(?![\\p{L}\\p{N}_])/gu)) {
      if (/[\\p{L}_#]/u.test(node.textContent[match.index - 1] || '')) continue;
      const range = document.createRange();
      range.setStart(node, match.index);
      range.setEnd(node, match.index + match[0].length);
      const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (lines.size > 1) found.add(match[0]);
    }
  }
  return [...found];
}"""


def findings(page: Page) -> list[str]:
    """What is wrong with structure, names, labels and sizes; empty if nothing is."""
    return [str(each) for each in page.evaluate(_FINDINGS)]


def weak_contrasts(page: Page) -> list[str]:
    """Colours of texts too close to their ground; empty if none is.

    Raises:
        AssertionError: the page shows no text at all, so nothing was measured.
    """
    measured = page.evaluate(_CONTRASTS)
    assert len(measured) > 1, "nothing was measured"
    return [f"{pair}: {share:.2f} of what is needed" for pair, share in measured if share < 1]


def broken_words(page: Page) -> list[str]:
    """Words of usual length that stand on two lines; empty if none does."""
    return [f"{word!r} is broken in two" for word in page.evaluate(_BROKEN)]
