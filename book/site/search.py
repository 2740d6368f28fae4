"""Search in Chinese without a dictionary: every pair of neighbouring characters is a word of the index.

温度系数 is indexed as 温, 度, 系, 数, 温度, 度系, 系数. A query is cut into pairs the same way, in the browser, and
a page is found when it holds all of them; so any run of characters inside a sentence can be found.
"""

import re

from sphinx.search.en import SearchEnglish

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
RUN = re.compile(rf"[{HAN}]+|[^\W{HAN}]+")
# The same cut for the query. A page that holds all pairs holds all single characters, so those are left out.
SPLIT_QUERY = r"""
function splitQuery(query) {
  const words = [];
  for (const [run] of query.matchAll(/[HAN]+|(?:(?![HAN])[\p{Letter}\p{Number}_])+/gu)) {
    if (!/[HAN]/.test(run) || run.length === 1) words.push(run);
    else for (let k = 0; k + 1 < run.length; k++) words.push(run.slice(k, k + 2));
  }
  return words;
}
""".replace("HAN", HAN.encode("ascii", "backslashreplace").decode())


def pieces(text: str) -> list[str]:
    """The words of ``text``: Chinese runs as single characters and pairs, everything else as it stands."""
    words: list[str] = []
    for run in RUN.findall(text):
        if re.match(rf"[{HAN}]", run):
            words += [*run, *(run[k : k + 2] for k in range(len(run) - 1))]
        else:
            words.append(run)
    return words


class SearchChinese(SearchEnglish):
    """Chinese as pairs of characters; English words inside Chinese text as in an English book."""

    lang = "zh"
    language_name = "Chinese"
    js_splitter_code = SPLIT_QUERY

    def split(self, input: str) -> list[str]:
        return pieces(input)

    def word_filter(self, word: str) -> bool:
        return bool(re.match(rf"[{HAN}]", word)) or super().word_filter(word)
