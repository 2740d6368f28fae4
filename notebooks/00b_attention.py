# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   vlmlearn:
#     needs: [shape type, einops, token, token id, padding, chance level, baseline, patch, embedding, dot product, cosine similarity, softmax, cross entropy]
#     teaches: [attention, query, key, value, attention weight, self-attention, scaled dot product, position embedding, padding mask, causal mask, attention head, residual, layer norm, pre-norm, post-norm, feed-forward network, Transformer block, dropout]
# ---

# %% [markdown] lang="zh"
# # 00b 注意力：一个向量怎样去看别的向量？
#
# 有人问你：“左上角的东西是什么颜色？”你朝左上角看一眼，就能回答。
#
# 模型手里只有一排向量：一个向量是问题里的词，其余的向量是图像块。词不知道图里有什么，图像块不知道问的是哪里。
# 总得有谁去看谁一眼。这一眼，就是**注意力**（attention）。
#
# 这一章，我们亲手写出注意力，看它在哪里会错，证明它不偷看未来，再训练一个会“看一眼”的小模型。核心部分大约读三十分钟，标着“选读”的几节和练习另算。
#
# **课程位置：** 00 从这里开始 → 00a 像素、词、向量 → **00b 注意力** → 01 CLIP 损失 → …（00c 很小的语言模型即将推出，读 04 之前再看）

# %% [markdown] lang="en"
# # 00b Attention: how does one vector look at others?
#
# Somebody asks you: "which colour is at the top left?" You glance at the top left and answer.
#
# A model holds nothing but a row of vectors: one is the word of the question, the others are patches of the picture. The word does not know what is in the
# picture, the patches do not know which place is asked about. Someone has to look at someone. That glance is **attention**.
#
# In this chapter we write attention by hand, see where it goes wrong, prove that it does not peek into the future, and train a small model that glances. Reading takes
# about half an hour, without the exercises and the sections marked optional.
#
# **Where we are:** 00 start here → 00a pixels, words, vectors → **00b attention** → 01 the CLIP loss → … (00c, a tiny language model, is coming; needed before 04)

# %% [markdown] lang="zh"
# **先回忆三个问题**（前两个来自 00a，第三个来自 00）
#
# 1. 一张 64×64 的彩色图切成 8×8 的图像块，得到几个词元？每个有几个数？
# 2. 一行分数做完 softmax，和是多少？给每个分数都加 5，结果变不变？
# 3. 句子末尾的 0（PAD）是做什么用的？
#
# <details><summary>答案</summary>
#
# 1. 64 个，每个 3 × 8 × 8 = 192 个数。
# 2. 和是 1。不变：softmax 只看分数之间的差。
# 3. 把短句补齐，好让一批句子排成一个长方形。它不是句子的内容。
#
# </details>

# %% [markdown] lang="en"
# **Three questions to warm up** (the first two from 00a, the third from 00)
#
# 1. A colour picture of 64×64 is cut into patches of 8×8. How many tokens does that make, of how many numbers each?
# 2. After a softmax, what does a row of scores sum to? Add 5 to every score: does the result change?
# 3. What are the zeros (PAD) at the end of a sentence for?
#
# <details><summary>Answers</summary>
#
# 1. 64 tokens of 3 × 8 × 8 = 192 numbers.
# 2. To 1. No: softmax sees only the differences between scores.
# 3. They fill short sentences up, so that a batch becomes a rectangle. They are no part of what is said.
#
# </details>

# %%
import math

import torch
from einops import einsum, rearrange
from torch import nn

from vlmlearn import plots
from vlmlearn.layers import Attention, TransformerBlock, causal_mask, padding_mask, patchify, unpatchify
from vlmlearn.models import PlaceReader
from vlmlearn.training.recipes import chapter_00b as recipe
from vlmlearn.training.recipes.record import load_results
from vlmlearn.world import COLORS, Tokenizer, render
from vlmlearn.world.relations import cells
from vlmlearn.world.words import POSITIONS

torch.set_num_threads(2)
exam = recipe.place_questions("test")

# %% [markdown] lang="zh"
# ## 1 谁去看谁
#
# 下面就是一道题。黄框是问到的地方，细线把图切成 64 块：

# %% [markdown] lang="en"
# ## 1 Who looks at whom
#
# Here is one question. The yellow frame is the place asked about, thin lines cut the picture into 64 patches:

# %%
#| alt-zh: 一张场景图，细线把它切成八行八列的图像块，黄框圈出左上角的九分之一，里面是一个橙色圆环
#| alt-en: a scene cut by thin lines into eight rows and columns of patches; a yellow frame marks the top left ninth, which holds an orange ring
FRAME = (0, 64, 64, 0)  # left, right, bottom, top, in pixels
asked = 12
with plots.figure(3.4, 3.4) as (_, [axes]):
    axes.imshow(rearrange(exam.images[asked], "channel y x -> y x channel"), extent=FRAME)
    axes.plot([0.5, 21, 21, 0.5, 0.5], [0.5, 0.5, 21, 21, 0.5], color="yellow", linewidth=2.5)
    axes.set(title=f"which colour is at the {POSITIONS[exam.places[asked]]}?", xticks=range(0, 65, 8), yticks=range(0, 65, 8))
    axes.grid(color="white", alpha=0.5)

# %% [markdown] lang="zh"
# 你一眼看出是橙色。在模型里，这道题是一排词元：先是一个词（问九宫格里的哪一格），再是 64 个图像块。每个词元是 48 个数：

# %% [markdown] lang="en"
# You see orange at once. To the model the question is a row of tokens: first one word (which ninth of the picture is asked for), then 64 patches. Each token is 48
# numbers:

# %%
torch.manual_seed(0)
untrained = PlaceReader()
one = exam.images[asked, None], exam.places[asked, None]
with torch.no_grad():
    tokens = untrained.tokens(*one)
print("batch, tokens, width:", tuple(tokens.shape))

# %% [markdown] lang="zh"
# 答案要从第 0 个词元，也就是那个词上读出来。可是词的向量里一个像素也没有。
#
# 把 64 块取平均，交给词，行不行？行，但左上角的橙色就和别处的颜色混在一起了。
# 我们要的是**加权**平均：左上角那几块的权重大，别处的小。而且权重得由词自己定，因为下一题问的是别处。

# %% [markdown] lang="en"
# The answer is to be read off token 0, the word. But there is not a single pixel in the word's vector.
#
# Could we hand it the mean of all 64 patches? Yes, but then the orange at the top left is mixed with the colours of everywhere else. What we want is a **weighted**
# mean: large weights at the top left, small ones elsewhere. And the word must choose the weights itself, for the next question asks about another place.

# %% [markdown] lang="zh"
# ## 2 先写朴素的，再写正确的
#
# 每个词元拿出三个向量：
#
# - **查询**（query）：我想找什么；
# - **键**（key）：我这里有什么，好让别人来对；
# - **值**（value）：谁看了我，我就把这个交给谁。
#
# 查询和每个键做点积，对得上的分数就高。分数过一遍 softmax，成为**注意力权重**（attention weight），再拿它给值做加权平均。用一个循环写出来：

# %% [markdown] lang="en"
# ## 2 Naive first, then right
#
# Every token puts out three vectors:
#
# - a **query**: what I am looking for;
# - a **key**: what there is to find at my place, for others to match;
# - a **value**: what I hand over to whoever looks at me.
#
# The dot product of a query with a key is large where the two match. Softmax turns the scores into **attention weights**, and those weight a mean of the values. Written
# as a loop:


# %%
def look(query, keys, values):
    scores = [(query @ key).item() / math.sqrt(len(query)) for key in keys]
    weights = torch.tensor(scores).softmax(dim=0)
    seen = sum(weight * value for weight, value in zip(weights, values, strict=True))
    return seen, weights


keys = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])  # "left", "top", "right"
values = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])  # orange, blue, green
for name, query in (("left ", [4.0, 0.0]), ("right", [-4.0, 0.0]), ("all  ", [0.0, 0.0])):
    seen, weights = look(torch.tensor(query), keys, values)
    print(f"look {name}  weights {[f'{w:.2f}' for w in weights]}  red, green, blue seen {[f'{c:.2f}' for c in seen]}")

# %% [markdown] lang="zh"
# 查询指向左边，得到的几乎就是左边的橙色；指向右边，得到绿色；查询是零，三个分数相同，得到的就是普通的平均。
#
# 循环看得懂，但慢。所有查询可以一起算：一次矩阵乘法得到全部分数，再一次得到全部加权平均。
# `einsum` 把哪根轴对哪根轴写得清清楚楚：逗号两边是两个输入的轴，箭头右边是结果的轴；同名的轴对齐相乘，箭头右边没有的轴（第一行里的 `d`）就求和：

# %% [markdown] lang="en"
# A query that points left sees almost pure orange; one that points right sees green; with a query of zeros all scores are equal, and the result is the plain mean.
#
# The loop is easy to read, but slow. All queries can be served at once: one matrix product gives all scores, another all weighted means. `einsum` spells out which
# axis meets which: on both sides of the comma stand the axes of the two inputs, right of the arrow those of the result; axes of one name are multiplied entry by entry, and an axis
# missing on the right (`d` in the first line) is summed over:


# %%
def attend(query, key, value):
    scores = einsum(query, key, "batch query d, batch key d -> batch query key") / math.sqrt(query.shape[-1])
    return einsum(scores.softmax(dim=-1), value, "batch query key, batch key d -> batch query d")


def difference(found, right):
    """How far apart, as a share of the size of what is right."""
    return ((found - right).norm() / right.norm()).item()


torch.manual_seed(0)
layer = Attention(48, heads=1)  # four linear layers: query, key, value, and out at the end
with torch.no_grad():
    query, key, value = layer.query(tokens), layer.key(tokens), layer.value(tokens)
    matrices = attend(query, key, value)
    loop = torch.stack([look(q, key[0], value[0])[0] for q in query[0]])[None]
    print("loop = matrices: ", difference(loop, matrices) < 1e-6)
    print("by hand = package:", difference(layer.out(matrices), layer(tokens)) < 1e-6)

# %% [markdown] lang="zh"
# 循环、矩阵和软件包的 `Attention`，三者相等（差别不到百万分之一，只是浮点舍入）。写成一行公式，$Q$、$K$、$V$ 的每一行是一个查询、键、值：
#
# $$\text{attention}(Q, K, V) = \mathrm{softmax}\left(\frac{QK^\top}{\sqrt{d}}\right)V$$
#
# 查询、键、值都来自同一排词元，这叫**自注意力**（self-attention）。三个线性层是学出来的：训练决定每个词元找什么、亮出什么、交出什么。还有第四个线性层 `out`，把看到的再变换一次，才交出去。

# %% [markdown] lang="en"
# The loop, the matrices and the package's `Attention` agree (to less than a millionth, which is rounding). On one line, with the queries as the rows of $Q$, the keys of $K$
# and the values of $V$:
#
# $$\text{attention}(Q, K, V) = \mathrm{softmax}\left(\frac{QK^\top}{\sqrt{d}}\right)V$$
#
# Queries, keys and values all come from the same row of tokens: this is **self-attention**. The three linear layers are learnt. Training decides what each token looks for,
# what it shows, and what it hands over. A fourth one, `out`, transforms what was seen before it leaves.

# %% [markdown] lang="zh"
# ### 为什么要除以 √d？
#
# 上面的分数都除了 $\sqrt{d}$，$d$ 是查询的维数。这叫**缩放点积**（scaled dot product）。为什么？先猜。
#
# **★ 先猜再跑（2 分钟）** 一个查询和八个键都是随机的，各分量独立，均值为 0，方差为 1。把八个点积做 softmax，最大的那个权重平均有多大？
# 维数 4、64、1024 时各猜一个数；再猜一遍除以 $\sqrt{d}$ 之后的。（平分的话，每个是 0.125。）

# %% [markdown] lang="en"
# ### Why divide by √d?
#
# All scores above were divided by $\sqrt{d}$, where $d$ is the width of a query. This is the **scaled dot product**. Why? Guess first.
#
# **★ Predict, then run (2 min)** A query and eight keys are random, with independent entries of mean 0 and variance 1. Take the softmax of the
# eight dot products: how large is the largest weight on average? Write down a number for 4, 64 and 1,024 dimensions, and again for dot products
# divided by $\sqrt{d}$. (Shared evenly, each weight would be 0.125.)

# %%
import torch

generator = torch.Generator().manual_seed(0)
for dim in (4, 64, 1024):
    random_query = torch.randn(1000, 1, dim, generator=generator)
    random_keys = torch.randn(1000, 8, dim, generator=generator)
    products = (random_query * random_keys).sum(-1)
    plain, scaled = (s.softmax(-1).amax(-1).mean().item() for s in (products, products / dim**0.5))
    print(f"d = {dim:4d}   spread {products.std().item():5.1f}   largest weight: plain {plain:.2f}, divided by √d {scaled:.2f}")

# %% [markdown] lang="zh"
# <details><summary>答案</summary>
#
# 点积是 $d$ 个随机数的和，标准差大约是 $\sqrt{d}$。不缩放时，维数一高，一个键就几乎独占了全部注意力，而谁独占纯属偶然；softmax 在那里几乎没有梯度，改也改不过来。
# 除以 $\sqrt{d}$ 之后，最大的权重几乎不随维数变。
#
# </details>

# %% [markdown] lang="en"
# <details><summary>Answer</summary>
#
# The dot product is a sum of $d$ random numbers, and its standard deviation is about $\sqrt{d}$. Without the division one key takes nearly all of the attention in high
# dimensions, and which one is pure chance; the softmax has hardly any gradient there, so training could barely correct it. Divided by $\sqrt{d}$,
# the largest weight hardly depends on the dimension.
#
# </details>

# %% [markdown] lang="zh"
# ## 3 注意力不知道次序
#
# 把图切开，64 块打乱，再拼回去：

# %% [markdown] lang="en"
# ## 3 Attention knows no order
#
# Cut the picture up, shuffle the 64 patches, and put them together again:

# %%
#| alt-zh: 左边是场景图，右边是图像块打乱之后的同一张图，物体成了碎片
#| alt-en: left, the scene; right, the same picture with its patches shuffled, the objects in fragments
order = torch.randperm(64, generator=torch.Generator().manual_seed(0))


def shuffle(images):
    return unpatchify(patchify(images, 8)[:, order], 8)


before, after = (rearrange(images[0], "c y x -> y x c") for images in (one[0], shuffle(one[0])))
plots.side_by_side({"picture": before, "patches shuffled": after})

# %% [markdown] lang="zh"
# 一个没有位置信息的模型，看这两张图，在词上的输出会差多少？先猜：差一点，差很多，还是一点不差？
#
# 我们造两个没有训练过的模型。第二个给每个位置加了一个向量，叫**位置嵌入**（position embedding）：

# %% [markdown] lang="en"
# A model without positions is shown both pictures. By how much does its answer at the word differ: a little, a lot, or not at all? Guess first.
#
# We make two untrained models. The second adds a vector to each place in the sequence, its **position embedding**:

# %%
for positions in (False, True):
    torch.manual_seed(0)
    reader = PlaceReader(positions=positions)
    with torch.no_grad():
        straight, shuffled = reader(*one), reader(shuffle(one[0]), one[1])
    print(f"positions: {positions!s:5}   the same answer: {difference(shuffled, straight) < 1e-5}")

# %% [markdown] lang="zh"
# 没有位置，输出**一模一样**（只差舍入）。不是差不多，是同一个数。
#
# 道理就在公式里：加权平均是一个和，和不在乎先加谁。键和值怎么一起换位，和都不变。所以每个词元自己的输出不变，次序换了，输出只是跟着换位。
# 图成了一袋碎片，“左上角”根本无从说起。
#
# 有了位置嵌入，每一块除了说“我是橙色”，还会说“我在第 2 行第 3 列”，查询才有得可找。

# %% [markdown] lang="en"
# Without positions the output is **identical**, up to rounding. Not similar: the same numbers.
#
# The formula says why. A weighted mean is a sum, and a sum does not care who is added first. However keys and values change places together, it stays the same. So
# each token keeps its own output wherever it stands, and in a new order the outputs come in that new order. The picture has become a bag of scraps, and "top left" means nothing.
#
# With position embeddings a patch says not only "I am orange" but also "I am in row 2, column 3", and a query has something to look for.

# %% [markdown] lang="zh"
# ## 4 不许看：掩码
#
# 有些词元不该看。PAD 不是内容；写句子的模型不能偷看后面的词。哪里可以看，用一张真假表来说，叫**掩码**（mask）。在这门课里，True 一律表示“可以看”。
#
# ### 填充掩码
#
# 同一句话，一次不补，一次补到 16 个词元。句子没变，输出该不该变？

# %% [markdown] lang="en"
# ## 4 Not allowed to look: masks
#
# Some tokens should not be looked at. PAD is no content, and a model that writes must not peek at the words to come. A table of True and False says who may look where: a
# **mask**. In this course True always means "may look".
#
# ### The padding mask
#
# The same sentence, once as it is, once filled up to 16 tokens. The sentence is the same; should the output change?

# %%
tokenizer = Tokenizer()
sentence = "a large blue star at the top left"
short, long = tokenizer.encode(sentence, context_length=10), tokenizer.encode(sentence, context_length=16)
print(long[0].tolist())

torch.manual_seed(0)
words, reading = nn.Embedding(len(tokenizer), 32), Attention(32, heads=4)
with torch.no_grad():
    right = reading(words(short))
    unmasked = reading(words(long))[:, :10]
    masked = reading(words(long), mask=padding_mask(long))[:, :10]
print("without a mask, the same as unpadded:", difference(unmasked, right) < 1e-6)
print("with padding_mask:                   ", difference(masked, right) < 1e-6)

# %% [markdown] lang="zh"
# 不加掩码，PAD 也分走了注意力，同一句话补得越长，分走的就越多。加上**填充掩码**（padding mask），补多少都一样。
#
# ### 掩码放在 softmax 之前
#
# “不许看”就是权重为零。最顺手的写法，是算完 softmax 再乘以掩码。看看每一行的和（为了简短，`x` 同时当查询、键和值）：

# %% [markdown] lang="en"
# Without a mask PAD takes its share of the attention, and the longer the padding, the larger the share. With the **padding mask** it does not matter how much is filled
# up.
#
# ### The mask goes before the softmax
#
# "May not look" means a weight of zero. What comes to mind first is to multiply by the mask after the softmax. Look at the sum of each row (to keep it short,
# `x` is query, key and value at once):


# %%
def masked_attention(x, mask, when):
    scores = einsum(x, x, "query d, key d -> query key") / math.sqrt(x.shape[-1])
    if when == "before":
        scores = scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(dim=-1)
    if when == "after":
        weights = weights * mask
    return weights @ x, weights


torch.manual_seed(0)
x = torch.randn(6, 16)
mask = causal_mask(6)
print(mask.int())
for when in ("after", "before"):
    _, weights = masked_attention(x, mask, when)
    print(f"mask {when:6} softmax   rows sum to {[f'{total:.2f}' for total in weights.sum(dim=1)]}")

# %% [markdown] lang="zh"
# 打印出来的是**因果掩码**（causal mask）：一行是一个查询，一列是一个键，第 $t$ 行只能看 0 到 $t$。
#
# 在 softmax 之后乘，除了什么都能看的最后一行，各行的和都不到 1（有两行差得太少，舍入成了 1.00）：先把一部分注意力分给了不该看的词元，再扔掉，词元就被白白缩小了。
# 正确的写法，是在 softmax 之前把分数设成 $-\infty$：$e^{-\infty}=0$，剩下的自动分完 1。

# %% [markdown] lang="en"
# What was printed first is the **causal mask**: a row is a query, a column a key, and row $t$ may look at 0 to $t$.
#
# Multiplied after the softmax, rows no longer sum to 1, but for the last, which may look at everything (two fall short by so little that 1.00 is printed): some attention was given to tokens that should not be seen and then thrown away, so the result shrinks. The right way sets
# the scores to $-\infty$ before the softmax: $e^{-\infty}=0$, and what is left shares the whole 1.

# %% [markdown] lang="zh"
# ### 用梯度证明：没有偷看未来
#
# 行和不是 1，还只是小毛病。更糟的是：未来还在漏。怎么证明漏没漏？不靠眼睛看代码，靠求导：
# 如果第 $t$ 个输出对后面每个输入的梯度都**正好**是零，那些输入就牵不动它。（输入是随机的，碰巧正好为零是不会有的。）
#
# `jacobian` 一次求出每个输出对每个输入的梯度。下图每格是一个梯度的大小。对角线右上方就是未来：

# %% [markdown] lang="en"
# ### Proof by gradient: no peeking into the future
#
# Sums other than 1 are only a small defect. Worse, the future still leaks. How to prove it, or prove the opposite? Not by reading the code but by differentiating: if the gradient of output
# $t$ with respect to every later input is **exactly** zero, those inputs cannot move it. (The inputs are random: an exact zero does not come about by chance.)
#
# `jacobian` gives the gradient of every output with respect to every input at once. Each cell below is the size of one gradient. The future is above the diagonal:

# %%
#| alt-zh: 三张 6 乘 6 的梯度图。不加掩码：处处不为零；softmax 之后乘掩码：对角线右上方仍不为零；softmax 之前加掩码：右上方全是空白，剩下一个下三角
#| alt-en: three 6 by 6 maps of gradient sizes. No mask: nowhere zero; mask after the softmax: still not zero above the diagonal; mask before it: above the diagonal all is blank, a lower triangle remains
future = ~mask
with plots.figure(9, 2.9, columns=3) as (_, axes):
    for axis, when in zip(axes, ("never", "after", "before"), strict=True):
        slopes = torch.autograd.functional.jacobian(lambda x, when=when: masked_attention(x, mask, when)[0], x)
        size = torch.linalg.vector_norm(slopes, dim=(1, 3))  # (outputs, inputs)
        axis.imshow(size.where(size > 0, math.nan), cmap="cividis", norm="log", vmin=1e-3, vmax=2)
        axis.set(title=f"mask {when} softmax" if when != "never" else "no mask", xlabel="input", ylabel="output")
        axis.grid(False)
        print(f"mask {when:6}   exactly zero for the future: {(size[future] == 0).all().item()}   not zero for the rest: {(size[~future] > 0).all().item()}")

# %% [markdown] lang="zh"
# 零画成空白。左图处处有梯度。中图的右上角**没有**空掉：softmax 的分母里还有未来的分数，乘以零的是分子。
# 右图的右上角全空，那里的梯度正好为零，证明完毕。
#
# 最后一列说的是反面：过去的梯度不为零，不然一个永远输出零的函数也能“通过”。软件包的 `Attention` 同样经得起这个证明：

# %% [markdown] lang="en"
# Zeros are left blank. On the left there is gradient everywhere. In the middle the upper right is **not** empty: the scores of the future still stand in the denominator of the softmax; only
# the numerators were multiplied by zero. On the right it is empty, a triangle of exact zeros: that is the proof.
#
# The last column is the other half: the past has a gradient. Without it, a function that always returns zero would pass as well. The package's `Attention` stands the same test:

# %%
x = torch.randn(1, 6, 32)
slopes = torch.autograd.functional.jacobian(lambda x: reading(x, mask=causal_mask(6)), x)[0, :, :, 0]
size = torch.linalg.vector_norm(slopes, dim=(1, 3))
print("exactly zero for the future:", (size[future] == 0).all().item(), "  not zero for the rest:", (size[~future] > 0).all().item())

# %% [markdown] lang="zh"
# ### 两个陷阱
#
# **整行都被挡住。** 一个查询什么都不许看，一整行都是 $-\infty$，softmax 得到什么？软件包又给什么？

# %% [markdown] lang="en"
# ### Two traps
#
# **A row with nothing to see.** A query may look nowhere, the whole row is $-\infty$: what does softmax make of it, and what does the package?

# %%
nobody = torch.ones(6, 6, dtype=torch.bool)
nobody[2] = False  # token 2 may look at nothing
_, weights = masked_attention(torch.randn(6, 16), nobody, "before")
print("naive:  ", weights[2].tolist())
with torch.no_grad():
    print("package:", reading.weights(x, mask=nobody)[0, 0, 2].tolist())

# %% [markdown] lang="zh"
# 朴素写法是 $0/0$，得到 `nan`，一步训练之后它会传遍所有权重。软件包的约定是：什么都不能看，就什么也得不到，权重全是零。
#
# **真假写反。** True 是“可以看”还是“要遮住”，各家不一样：
#
# | 谁的掩码 | True（或 1）表示 |
# |---|---|
# | 这门课；`F.scaled_dot_product_attention`；Hugging Face 的 `attention_mask` | 可以看 |
# | `nn.MultiheadAttention` 的 `attn_mask` 和 `key_padding_mask` | 遮住 |
#
# 写反了，形状照样对得上，训练照样能跑，只是人人都在看未来。我们把因果掩码故意写反：

# %% [markdown] lang="en"
# The naive version computes $0/0$ and gets `nan`, which one training step later is in every weight. The package's convention: who may see nothing gets nothing, all weights are zero.
#
# **True and False exchanged.** Whether True means "may look" or "hide" differs from library to library:
#
# | whose mask | True (or 1) means |
# |---|---|
# | this course; `F.scaled_dot_product_attention`; Hugging Face's `attention_mask` | may look |
# | `attn_mask` and `key_padding_mask` of `nn.MultiheadAttention` | hide |
#
# Exchanged, the shapes still fit and training still runs, only everybody looks at the future. We turn the causal mask round on purpose:

# %%
try:
    reading(x, mask=~causal_mask(6))
except ValueError as error:
    print(error)

# %% [markdown] lang="zh"
# 软件包认得这种写法，所以报错。填充掩码写反了，它认不出来（也许你真的只想看那几个词元），只能靠你自己试：把 PAD 换成别的词，输出不该变。

# %% [markdown] lang="en"
# The package recognises this very pattern and refuses. A padding mask the wrong way round it cannot recognise (perhaps you do want to see just those tokens). Test it yourself:
# exchange PAD for another word, and the output must not change.

# %% [markdown] lang="zh"
# ## 5 多个头
#
# 一组权重只有一个焦点。要是一个词元既想看左边的颜色，又想看右边的形状呢？办法是把宽度分成几份，每份各看各的，这就是**注意力头**（attention head）。
#
# 拆开和并回都是 `rearrange`：48 维拆成 4 个头，每头 12 维，头就当作多出来的批次。我们的 `attend` 一个字不用改：

# %% [markdown] lang="en"
# ## 5 Several heads
#
# One set of weights has one focus. And if a token wants the colour on the left as well as the shape on the right? Share the width out, and let each share look for itself: these are the
# **attention heads**.
#
# Splitting and merging are both a `rearrange`: 48 channels become 4 heads of 12, and a head is treated as one more member of the batch. Our `attend` needs no change:

# %%
torch.manual_seed(0)
layer = Attention(48, heads=4)
with torch.no_grad():
    split = [rearrange(f(tokens), "batch n (head d) -> (batch head) n d", head=4) for f in (layer.query, layer.key, layer.value)]
    merged = rearrange(attend(*split), "(batch head) n d -> batch n (head d)", head=4)
    print("one head's queries:", tuple(split[0].shape))
    print("by hand = package:", difference(layer.out(merged), layer(tokens)) < 1e-6)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


for heads in (1, 4, 12):
    print(f"{heads:2d} heads: {parameters(Attention(48, heads))} parameters")

# %% [markdown] lang="zh"
# 头多了，参数一个没多：同样的四个线性层，只是切开来用。代价是每个头变窄了，12 维的查询能说清的东西比 48 维的少。
#
# 那么一整个 Transformer 块有多少参数？它由注意力和**前馈网络**（feed-forward network）组成，后者对每个词元单独做：加宽到 $4d$，过一个非线性函数（GELU），再收回 $d$。笔算：
#
# - 注意力，四个 $d\times d$ 的矩阵：$4d^2$，偏置 $4d$；
# - 前馈，$d\to 4d\to d$：$8d^2$，偏置 $5d$；
# - 两个层归一化（下一节讲）：$4d$。
#
# 一共 $12d^2 + 13d$。和代码对一对，第二行是 ViT-B 的宽度：

# %% [markdown] lang="en"
# More heads, and not one parameter more: the same four linear layers, used in slices. The price is that a head is narrower; a query of 12 numbers can say less than one of 48.
#
# And how many parameters has a whole Transformer block? It is attention and a **feed-forward network**, which takes each token by itself, widens it to $4d$, applies a nonlinear
# function (GELU) and narrows it back to $d$. By pencil:
#
# - attention, four matrices of $d\times d$: $4d^2$, biases $4d$;
# - feed-forward, $d\to 4d\to d$: $8d^2$, biases $5d$;
# - two layer norms (next section): $4d$.
#
# In all $12d^2 + 13d$. Compare with the code; the second row is the width of ViT-B:

# %%
for width, heads in ((48, 4), (768, 12)):
    counted = parameters(TransformerBlock(width, heads, 4 * width))
    print(f"width {width:3d}   12d² + 13d = {12 * width**2 + 13 * width:7d}   counted {counted:7d}")

# %% [markdown] lang="zh"
# ## 6 残差与归一化
#
# 一层做的事，是**改**词元，不是换掉词元，所以写成 $x + f(x)$：这条直通的路叫**残差**（residual）。
# **层归一化**（layer norm）把每个词元调成均值 0、方差 1。放进块里，通常是 $x + f(\mathrm{norm}(x))$，叫**前归一化**（pre-norm）；
# 2017 年的原版是 $\mathrm{norm}(x + f(x))$，叫**后归一化**（post-norm）。
#
# 这两样拿掉，会坏在哪里？叠 24 层，不训练，量三件事：第一块的梯度除以最后一块的梯度；出来的词元彼此有多像（余弦）；词元有多长（进去时大约是 8）：

# %% [markdown] lang="en"
# ## 6 Residual and norm
#
# What a layer does is to *change* a token, not to replace it. So it is written $x + f(x)$, and the way straight through is the **residual** connection. **Layer norm** brings each token to mean 0 and
# variance 1. In a block it usually stands like this: $x + f(\mathrm{norm}(x))$, called **pre-norm**. The original of 2017 is $\mathrm{norm}(x + f(x))$, called **post-norm**.
#
# What breaks without the two? Stack 24 blocks, untrained, and measure three things: the gradient of the first block, divided by that of the last; how much alike the tokens come out (their
# cosine); and how long they are (about 8 when they go in):

# %%
STEPS = {
    "neither": lambda x, f, norm: f(x),
    "norm only": lambda x, f, norm: f(norm(x)),
    "residual only": lambda x, f, norm: x + f(x),
    "both, pre-norm": lambda x, f, norm: x + f(norm(x)),
    "both, post-norm": lambda x, f, norm: norm(x + f(x)),
}


def run_deep(step, layers=24, width=64):
    torch.manual_seed(0)
    blocks = [TransformerBlock(width, 4, 4 * width).double() for _ in range(layers)]
    x, wanted = torch.randn(2, 4, 16, width).double()
    lengths = []
    for block in blocks:
        x = step(x, block.attention, block.attention_norm)
        x = step(x, block.feed_forward, block.feed_forward_norm)
        lengths.append(x.norm(dim=-1).mean().item())
    (nn.functional.layer_norm(x, [width]) * wanted).mean().backward()
    gradients = [math.hypot(*(p.grad.norm().item() for p in block.parameters() if p.grad is not None)) for block in blocks]
    units = nn.functional.normalize(x.detach(), dim=-1)
    alike = einsum(units, units, "text i d, text j d -> text i j").mean().item()
    return gradients, lengths, alike


deep = {name: run_deep(step) for name, step in STEPS.items()}
print(f"{'':16s} gradient first/last   tokens alike   length")
for name, (gradients, lengths, alike) in deep.items():
    print(f"{name:16s} {gradients[0] / gradients[-1]:19.2f} {alike:14.2f} {lengths[-1]:8.1f}")
for name in ("residual only", "both, pre-norm"):
    print(f"48 blocks, {name}: length {run_deep(STEPS[name], layers=48)[1][-1]:.1f}")

# %% [markdown] lang="zh"
# 一行一行看：
#
# - 什么都没有：梯度到不了第一层，学不动。
# - 只有归一化：梯度到得了，可是所有词元成了同一个向量（余弦 1.00），谁是谁都分不清了。每一层都在取平均，取着取着就平了（Dong 等，2021）。
# - 只有残差：梯度到得了，词元也有差别，可是越来越长。24 层还看不出要紧，48 层就长到一百多。
# - 两样都有：梯度相称，词元有差别，长度受控。
#
# 教科书常说“残差救了梯度”。在这里，归一化也能救梯度；残差救的还有词元自己。
#
# 前归一化和后归一化差在哪里？

# %% [markdown] lang="en"
# Row by row:
#
# - Neither: no gradient arrives at the first block, and nothing is learnt there.
# - Norm only: the gradient arrives, but all tokens have become one vector (cosine 1.00); who is who is lost. Every layer takes means, and in the end all is flat (Dong et al. 2021).
# - Residual only: the gradient arrives and tokens differ, but they grow longer and longer. With 24 blocks that does little harm; after 48 their length is over a hundred.
# - Both: gradients of like size, distinct tokens, lengths in bounds.
#
# Textbooks like to say that the residual saves the gradient. Here the norm can save it too; what the residual saves besides is the tokens themselves.
#
# How do pre-norm and post-norm differ?

# %%
#| alt-zh: 左图，词元长度随层数的变化：前归一化慢慢变长，后归一化始终不变。右图，各层的梯度：前归一化往后变小，后归一化大致持平
#| alt-en: left, the length of tokens over 24 blocks: it grows slowly with pre-norm and is constant with post-norm. Right, the gradient of each block: smaller towards the end with pre-norm, about level with post-norm
with plots.figure(9, 2.8, columns=2) as (_, (left, right)):
    for name, line in (("both, pre-norm", "-"), ("both, post-norm", "--")):
        gradients, lengths, _ = deep[name]
        left.plot(range(1, 25), lengths, line, label=name)
        right.plot(range(1, 25), [g / gradients[0] for g in gradients], line, label=name)
    left.set(xlabel="block", ylabel="length of a token", ylim=(0, None))
    right.set(xlabel="block", ylabel="gradient / first block's", ylim=(0, None))
    left.legend()

# %% [markdown] lang="zh"
# 前归一化里，直通的路没有人碰，词元越加越长，后面的块说话就越来越轻，梯度也小；后归一化每次都拉回同样的长度，后面的块梯度不减。
# 这就是 Xiong 等（2020）的发现：后归一化在输出端的梯度大，训练开头要先用很小的学习率**预热**（warm-up）；前归一化省得了这一步。今天的大模型多用前归一化。
#
# 软件包的块两种都有。把权重抄给 PyTorch 的 `TransformerEncoderLayer`，看输出是否相等：

# %% [markdown] lang="en"
# With pre-norm nothing touches the straight way through. Tokens grow with every sum, so what later blocks add weighs less, and they get less gradient. Post-norm brings the length back each time, and later blocks
# get as much gradient as the first. That is what Xiong et al. (2020) found: with post-norm gradients near the output are large, and training has to start at a very small learning rate, a
# warm-up; pre-norm can do without. Most large models of today are pre-norm.
#
# The package's block has both. Copy its weights into PyTorch's `TransformerEncoderLayer` and compare:

# %%
for norm in ("pre", "post"):
    torch.manual_seed(0)
    ours = TransformerBlock(48, 4, 192, norm=norm)
    theirs = nn.TransformerEncoderLayer(48, 4, 192, dropout=0.0, activation="gelu", batch_first=True, norm_first=norm == "pre")
    three = ours.attention.query, ours.attention.key, ours.attention.value
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(torch.cat([linear.weight for linear in three]))
        theirs.self_attn.in_proj_bias.copy_(torch.cat([linear.bias for linear in three]))
        theirs.self_attn.out_proj.load_state_dict(ours.attention.out.state_dict())
        theirs.linear1.load_state_dict(ours.feed_forward.widen.state_dict())
        theirs.linear2.load_state_dict(ours.feed_forward.narrow.state_dict())
        theirs.norm1.load_state_dict(ours.attention_norm.state_dict())
        theirs.norm2.load_state_dict(ours.feed_forward_norm.state_dict())
        print(f"{norm:4}-norm  ours = PyTorch's: {difference(ours(tokens), theirs(tokens)) < 1e-5}")

# %% [markdown] lang="zh"
# ## 7 训练一个 Transformer 块
#
# 零件齐了。模型是一个词嵌入、一个图像块的线性层、位置嵌入、**一个** Transformer 块，再从词的输出上读出 8 种颜色的分数（`vlmlearn/models/place_reader.py`，不到一百行）。
# 一万二千道训练题，2000 道新题。先看四道，图下是整个场景的描述：

# %% [markdown] lang="en"
# ## 7 Train a Transformer block
#
# All parts are there. The model is an embedding of the word, a linear layer for patches, position embeddings, **one** block, and scores of 8 colours read off the word's output
# (`vlmlearn/models/place_reader.py`, under a hundred lines). There are 12,000 questions for training and 2,000 new ones. Here are four, with the caption of the whole scene:

# %%
for place, color in zip(exam.places[:4].tolist(), exam.colors[:4].tolist(), strict=True):
    print(f"which colour is at the {POSITIONS[place]}?  {COLORS[color]}")
plots.picture_grid(exam.images[:4], exam.scenes[:4])

# %% [markdown] lang="zh"
# 8 种颜色，瞎猜是 12.5%。再立一个高一点的基线：图里有哪几种颜色，都看见了，只是不知道哪个在哪里，于是从中随便挑一个：

# %% [markdown] lang="en"
# With 8 colours guessing gives 12.5%. A higher baseline: someone who sees which colours are in the picture, but not where, and picks any of them:

# %%
present = [set(colors[:count]) for colors, count in zip(exam.scenes.color.tolist(), exam.scenes.count.tolist(), strict=True)]
print(f"guess: {100 / len(COLORS):.1f}%   pick one of the colours present: {100 * sum(1 / len(c) for c in present) / len(present):.1f}%")

# %% [markdown] lang="zh"
# 训练，大约十几秒：

# %% [markdown] lang="en"
# Train, for ten or twenty seconds:

# %% tags=["live"]
#| alt-zh: 训练损失从 ln 8 附近降下来，后半段明显低于一半
#| alt-en: the training loss falls from about ln 8 to well below half of it
model, history = recipe.train_reader(seed=0)
with plots.figure() as (_, [axes]):
    plots.training_curve(axes, history, chance=math.log(len(COLORS)))

logits = recipe.answers(model, exam)
accuracy = recipe.accuracy(logits, exam.colors)
print(f"{accuracy:.1f}% of {len(exam.colors)} new questions")
assert accuracy > 85

# %% [markdown] lang="zh"
# 超过 85%。一个 Transformer 块，十几秒的训练，它就学会了看一眼再回答。
#
# 功劳是注意力的吗？去掉它试试。两个对照，步数和数据都一样：
#
# - `mean`：每个词元看所有词元，一视同仁，权重都是 1/65；
# - `no_positions`：注意力照旧，但没有位置嵌入。
#
# 先猜它们各得几分，再运行：

# %% [markdown] lang="en"
# Above 85%. One block and less than a minute of training, and it has learnt to glance before it answers.
#
# Is that thanks to attention? Take it away and see. Two controls, with the same steps and the same data:
#
# - `mean`: every token looks at all tokens alike, each with a weight of 1/65;
# - `no_positions`: attention as before, but no position embeddings.
#
# Guess what each scores, then run:

# %% tags=["live"]
scores, said_present = {}, {}
for name in ("mean", "no_positions"):
    control, _ = recipe.train_reader(seed=0, **recipe.VARIANTS[name])
    found = recipe.answers(control, exam)
    scores[name] = recipe.accuracy(found, exam.colors)
    said = found.argmax(dim=1).tolist()
    said_present[name] = 100 * sum(color in colors for color, colors in zip(said, present, strict=True)) / len(said)
    print(f"{name:13s} right {scores[name]:.1f}%   says a colour that is in the picture {said_present[name]:.1f}%")
assert 20 < scores["mean"] < 42 and 36 < scores["no_positions"] < 55 and said_present["no_positions"] > 95

# %% [markdown] lang="zh"
# 一视同仁的平均不到 42%：颜色都混在一起了。
#
# 没有位置的更有意思：它说的颜色，95% 以上真在图里，答对的却不到 55%，和刚才“从图里的颜色中随便挑”的基线差不多。**知道有什么，不知道在哪里**，正是第 3 节说的那袋碎片。
#
# 下面是三个随机种子的**记录结果**，由 `python -m vlmlearn.training.recipes 00b` 得到；`none` 的每个词元只看自己：

# %% [markdown] lang="en"
# The even mean stays below 42%: all colours are mixed.
#
# Without positions it is more interesting. More than 95% of its answers are colours that are in the picture, and yet fewer than 55% are right, close to the baseline above that picks any colour present. **It knows
# what, not where**: the bag of scraps of section 3.
#
# These are **recorded results** of three seeds, made by `python -m vlmlearn.training.recipes 00b`; with `none` a token sees only itself:

# %%
#| alt-zh: 四种模型的正确率，三个种子：注意力最高，没有位置的次之，平均更低，只看自己的等于瞎猜
#| alt-en: accuracy of four models over three seeds: attention highest, then without positions, then the mean; seeing only itself equals guessing
recorded = load_results("00b")
results = {name: recorded[name]["accuracy"] for name in ("attention", "no_positions", "mean", "none")}
with plots.figure(5.5, 2.8) as (_, [axes]):
    for row, (name, seeds) in enumerate(results.items()):
        axes.barh(row, sum(seeds) / len(seeds), color=plots.COLORS[4], height=0.6)
        axes.scatter(seeds, [row] * len(seeds), color="black", s=12, zorder=3)
        print(f"{name:13s}", seeds)
    axes.axvline(100 / len(COLORS), color="gray", linestyle="--", label="guess")
    axes.set(yticks=range(len(results)), yticklabels=results, xlabel="% right (bars: mean, dots: seeds)", xlim=(0, 100))
    axes.invert_yaxis()
    axes.legend(loc="lower right")

# %% [markdown] lang="zh"
# ### 它看了哪里
#
# 软件包的 `weights` 给出词对每一块的注意力权重，四个头各一张图。白线描出问到的物体：

# %% [markdown] lang="en"
# ### Where it looks
#
# The package's `weights` returns how much the word looks at each patch, one map for each of the four heads. The white line traces the object asked about:

# %% tags=["live"]
#| alt-zh: 一张场景图和四个头的注意力图：亮的几格大多落在问到的物体上，各个头看的格子不同
#| alt-en: a scene and the attention maps of four heads: the bright cells mostly lie on the object asked about, other cells for other heads
of_place = (torch.from_numpy(cells(exam.scenes)) == exam.places[:, None]) & torch.from_numpy(exam.scenes.present)
slot = of_place.long().argmax(dim=1) + 1  # instance masks count objects from 1
mine = torch.from_numpy(render(exam.scenes).instances) == slot[:, None, None]  # the pixels of the object asked about
patch_share = rearrange(mine.float(), "n (row y) (column x) -> n row column (y x)", y=8, x=8).mean(dim=-1)
with torch.no_grad():
    weights = model.weights(exam.images, exam.places)

for k in (12, 1, 5):
    with plots.figure(10, 2.2, columns=5) as (_, axes):
        axes[0].imshow(rearrange(exam.images[k], "c y x -> y x c"))
        axes[0].set(title=f"{POSITIONS[exam.places[k]]}: {COLORS[logits[k].argmax()]}", xticks=[], yticks=[])
        for head, axis in enumerate(axes[1:]):
            axis.imshow(weights[k, head], cmap="cividis", vmin=0, extent=FRAME)
            axis.contour(mine[k], [0.5], colors="white", extent=(0, 64, 0, 64), linewidths=1)
            axis.set(title=f"head {head}: up to {weights[k, head].max():.2f}", xticks=[], yticks=[])
touched = patch_share > 0
on_object = (weights * touched[:, None]).sum(dim=(2, 3))
print(f"the object touches {100 * touched.float().mean():.0f}% of the patches and gets {100 * on_object.mean():.0f}% of the attention")
print("head by head:", [f"{100 * share:.0f}%" for share in on_object.mean(dim=0)])
assert on_object.mean() > 0.5

# %% [markdown] lang="zh"
# 没有人告诉过它哪些像素是物体，只给过颜色作答案。它却把一半以上的注意力放在问到的物体上，而那只是一成左右的图像块。各个头还看得不一样。
#
# ### 选读：权重就是理由吗？
#
# 这样的图常被拿来说：“模型看了这里，**所以**这样回答。”真是这样，拿掉权重最大的那一块，答案就该变；换一组完全不同的权重，答案也该变。
#
# 权重是算出来的，我们可以自己动手改。下面的 `answer_with` 用给定的权重代替模型自己的，别的都不动。
# （只有一处小差别：词留给自己的那一份，约 2%，也按比例分给图像块，所以第一行的正确率和刚才不完全一样。）先猜：
#
# 1. 不许看权重最大的一块（其余按比例补足），正确率掉到多少？随机挡一块呢？
# 2. 物体碰到的那几块全都不许看呢？
# 3. 把权重换成我们定的：全部押在物体占得最满的那一块上。四个头都一样。

# %% [markdown] lang="en"
# Nobody has ever told it which pixels are the object; it was given colours as answers. Yet more than half of its attention goes to the object asked about, which is about a tenth of the patches. And the heads look in
# different ways.
#
# ### Optional: are weights reasons?
#
# Maps like these are often taken to say: "the model looked here, *therefore* it answered this". If so, taking away the patch with the largest weight should change the answer, and so should a wholly
# different set of weights.
#
# Weights are only numbers computed on the way, and we can put in our own. `answer_with` below uses the weights it is given instead of the model's and leaves all else alone. Guess first:
#
# 1. The patch with the largest weight may not be seen (the others grow to make up 1). How far does the accuracy fall? And with a random patch hidden?
# 2. And if none of the patches that the object touches may be seen?
# 3. Weights of our own: all of it on the one patch that the object fills most, for all four heads.

# %% tags=["live"]
@torch.no_grad()
def answer_with(weights):
    block, x = model.block, model.tokens(exam.images, exam.places)
    values = rearrange(block.attention.value(block.attention_norm(x)), "n token (head d) -> n head token d", head=4)[:, :, 1:]
    seen = einsum(weights.flatten(2), values, "n head patch, n head patch d -> n head d")
    word = x[:, 0] + block.attention.out(rearrange(seen, "n head d -> n (head d)"))
    return model.head(model.norm(word + block.feed_forward(block.feed_forward_norm(word))))


def share_out(weights):
    """Every head's weights sum to 1 again; what the word keeps for itself, about 2%, is left out."""
    return weights / weights.sum(dim=(2, 3), keepdim=True).clamp(min=1e-9)


def only_at(patch):
    return nn.functional.one_hot(patch, 64).float().view(-1, 1, 8, 8)


own = share_out(weights)
top, anywhere = own.mean(dim=1).flatten(1).argmax(dim=1), torch.randint(64, (len(own),), generator=torch.Generator().manual_seed(0))
ours = only_at(patch_share.flatten(1).argmax(dim=1)).expand_as(own)
changes = {
    "the model's own weights": own,
    "largest patch hidden": share_out(own * (1 - only_at(top))),
    "a random patch hidden": share_out(own * (1 - only_at(anywhere))),
    "whole object hidden": share_out(own * ~touched[:, None]),
    "ours: the fullest patch": ours,
}
right, moved = {}, {}
for name, given in changes.items():
    right[name] = recipe.accuracy(answer_with(given), exam.colors)
    moved[name] = 100 * (given - own).abs().sum(dim=(2, 3)).mean().item() / 2
    print(f"{name:24s} right {right[name]:5.1f}%   of the attention moved {moved[name]:3.0f}%")
assert right["a random patch hidden"] > right["largest patch hidden"] + 3 and right["largest patch hidden"] > 50
assert right["whole object hidden"] < 30 < 50 < moved["ours: the fullest patch"] and right["ours: the fullest patch"] > 85

# %% [markdown] lang="zh"
# 三个答案都要说，一个也不能省：
#
# - **权重不是摆设**。挡住最大的一块，比挡住随机一块多丢 3 分以上；物体全挡住，掉到 30% 以下。它确实要看那个物体。
# - **但最大的那一块并非必要**。挡住之后，过半的题照样答对：旁边几块说的是同一件事。
# - **这组权重也不是唯一的理由**。我们换上的权重，把一半以上的注意力挪了地方，正确率却还在 85% 以上。
#
# 所以这里的热力图能告诉你模型看**哪一片**，却不能告诉你“就是因为这一格，而且只能是这组权重”。Jain 与 Wallace（2019）在文本上发现的正是后一点，
# Wiegreffe 与 Pinter（2019）则提醒：能换一组权重，不等于原来那组毫无意义。我们这里，两边都量到了一点。

# %% [markdown] lang="en"
# Three results, and none may be left out:
#
# - **The weights are no decoration.** Hiding the largest patch costs over 3 points more than hiding a random one, and with the whole object hidden accuracy is below 30%. The model does need to see that object.
# - **But the largest patch is not necessary.** With it hidden more than half of the questions are still answered: its neighbours say the same.
# - **Nor are these weights the only way to the answer.** Ours move more than half of the attention elsewhere, and accuracy is still above 85%.
#
# So a heat map tells you here in which *area* the model looks; it does not tell you that it was this cell, and that it had to be these weights. The latter is what Jain and Wallace (2019) found for text. Wiegreffe and Pinter
# (2019) reply that weights one could exchange are not therefore meaningless. Here we have measured a little of both.

# %% [markdown] lang="zh"
# ## 8 `requires_grad`、`eval()`、`no_grad()` 是三件事
#
# 最后清一笔旧账。这三样常被混为一谈，比如“调了 `eval()`，权重就冻结了”。先介绍**随机失活**（dropout）：训练时随机把一部分数清零，防止网络死记硬背。
#
# **★ 先猜再跑（2 分钟）** 一层带随机失活的网络，前面还有一层正在训练。`requires_grad_(False)`、`eval()` 和 `no_grad()`
# 各自管什么？先画一张三行三列的表：随机失活还起作用吗？这一层的权重还能学吗？反向传播要用的计算图还留着（占着内存）吗？

# %% [markdown] lang="en"
# ## 8 `requires_grad`, `eval()` and `no_grad()` are three things
#
# One thing remains to be cleared up before you train on your own. These three are often mixed up, as in "I called `eval()`, so the weights are frozen". A word first on **dropout**: in training it sets a random part of the numbers to zero, so
# that a network does not learn by rote.
#
# **★ Predict, then run (2 min)** A layer with dropout follows another layer that is being trained. What does each of `requires_grad_(False)`, `eval()`
# and `no_grad()` do to it? Draw a table of three rows and three columns first: does dropout still act? Can the layer's weights still learn? Is the graph for
# the backward pass still kept, and with it the memory?

# %%
import contextlib

import torch
from torch import nn


def three_questions(name, prepare=lambda layer: layer, around=contextlib.nullcontext):
    torch.manual_seed(0)
    in_front, layer = nn.Linear(8, 8), prepare(nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5)))
    x = in_front(torch.ones(4, 8))
    with around():
        once, again = layer(x), layer(x)
    if once.requires_grad:
        once.sum().backward()
    answers = not torch.equal(once, again), layer[0].weight.grad is not None, once.requires_grad
    print(f"{name:22s}" + "".join(f"{'yes' if answer else 'no':>15s}" for answer in answers))


print(f"{'':22s}" + "".join(f"{title:>15s}" for title in ("dropout acts", "weights learn", "graph kept")))
three_questions("nothing")
three_questions("requires_grad_(False)", prepare=lambda layer: layer.requires_grad_(False))
three_questions("eval()", prepare=lambda layer: layer.eval())
three_questions("no_grad()", around=torch.no_grad)

# %% [markdown] lang="zh"
# <details><summary>答案</summary>
#
# 三件互不相干的事。`requires_grad_(False)` 冻结权重，但梯度还要穿过这一层，传给前面那一层，所以计算图还在。`eval()` 只改随机失活和批归一化的行为，
# **并不冻结**。`no_grad()` 不留计算图，于是这一段的权重和它前面的权重都收不到梯度，可随机失活照常起作用。评测时要同时用后两样。
#
# </details>

# %% [markdown] lang="en"
# <details><summary>Answer</summary>
#
# Three different things. `requires_grad_(False)` freezes the weights, but the gradient still passes through to the layer in front, so the graph stays.
# `eval()` changes how dropout and batch norm behave and **freezes nothing**. `no_grad()` keeps no graph, so neither these weights nor those in
# front receive a gradient through it, while dropout goes on acting. To evaluate a model you want the last two together.
#
# </details>

# %% [markdown] lang="zh"
# ## 练习
#
# 两道 ★ 已经在第 2 节和第 8 节做过了。下面每道题都可以单独做：只运行这道题的格子即可。写完后运行检查，它会告诉你错在哪里。

# %% [markdown] lang="en"
# ## Exercises
#
# The two ★ stand in sections 2 and 8. Each of those below can be done on its own: run only its cells. Run the check when you are done, and it tells you
# what is wrong.

# %% [markdown] lang="zh"
# **★★ 注意力分数（10 分钟）** `query` 的形状是 (batch, queries, dim)，`key` 是 (batch, keys, dim)。返回缩放后的点积，形状 (batch, queries, keys)：
# 行是查询，列是键。停在 softmax 之前。查询和键的个数可以不同。

# %% [markdown] lang="en"
# **★★ Attention scores (10 min)** `query` has shape (batch, queries, dim), `key` has (batch, keys, dim). Return the scaled dot products, of shape
# (batch, queries, keys): a row is a query, a column a key. Stop before the softmax. There may be other numbers of queries than of keys.

# %% exercise="attention_scores"
import torch


def attention_scores(query, key):
    ### BEGIN SOLUTION
    return query @ key.transpose(1, 2) / query.shape[-1] ** 0.5
    ### END SOLUTION


# %%
from vlmlearn.exercises import check

check("attention_scores", attention_scores)

# %% [markdown] lang="zh"
# **★★ 因果掩码（5 分钟）** 返回一个布尔张量，形状 (length, length)。行是查询，列是键；True 表示**可以看**：自己，以及之前的全部词元。

# %% [markdown] lang="en"
# **★★ The causal mask (5 min)** Return a boolean tensor of shape (length, length). A row is a query, a column a key; True means **may look**: at itself and
# at all that came before.

# %% exercise="causal_mask"
import torch


def causal_mask(length):
    ### BEGIN SOLUTION
    return torch.ones(length, length, dtype=torch.bool).tril()
    ### END SOLUTION


# %%
from vlmlearn.exercises import check

check("causal_mask", causal_mask)

# %% [markdown] lang="zh"
# **★★★ 填充掩码（20 分钟）** `scores` 的形状是 (batch, queries, keys)；`real` 是布尔张量，形状 (batch, keys)，True 表示这个键是**真词元**，False 是填充（PAD）。
# 返回注意力权重，形状同 `scores`：只在真词元里做 softmax，PAD 的权重正好是 0。
# 每句至少有一个真词元；PAD 可以在任何位置（有的分词器补在前面）；分数都是有限的，但可以很大、很小，PAD 的也一样。

# %% [markdown] lang="en"
# **★★★ The padding mask (20 min)** `scores` has shape (batch, queries, keys); `real` is boolean, of shape (batch, keys), and True where the key is a **real token**, False for
# padding (PAD). Return the attention weights, shaped as `scores`: a softmax over the real keys only, and exactly 0 on padding.
# Each text has at least one real token; padding may stand anywhere (some tokenizers put it in front); scores are finite but may be very large or very low,
# those of padding too.

# %% exercise="padded_weights"
import math

import torch


def padded_weights(scores, real):
    ### BEGIN SOLUTION
    hidden = ~real[:, None, :]  # (batch, 1, keys): the same for every query
    return scores.masked_fill(hidden, -math.inf).softmax(dim=-1)
    ### END SOLUTION


# %%
from vlmlearn.exercises import check

check("padded_weights", padded_weights)

# %% [markdown] lang="zh"
# **★★ 拆成多个头（5 分钟）** `x` 的形状是 (batch, tokens, width)。返回 (batch, heads, tokens, width/heads)：第 $h$ 个头拿到每个词元的第 $h$ 块通道
# （从 0 数起，一块是相邻的 width/heads 个）。`heads` 整除 width。

# %% [markdown] lang="en"
# **★★ Split into heads (5 min)** `x` has shape (batch, tokens, width). Return (batch, heads, tokens, width/heads): head $h$ gets the $h$-th block of channels of
# each token (counted from 0; a block is width/heads neighbouring channels). `heads` divides the width.

# %% exercise="split_heads"
import torch
from einops import rearrange


def split_heads(x, heads):
    ### BEGIN SOLUTION
    return rearrange(x, "batch token (head channel) -> batch head token channel", head=heads)
    ### END SOLUTION


# %%
from vlmlearn.exercises import check

check("split_heads", split_heads)

# %% [markdown] lang="zh"
# **★★ 把头合并回去（5 分钟）** 上一题的逆：(batch, heads, tokens, channels) → (batch, tokens, heads × channels)，第 0 个头在最前面。

# %% [markdown] lang="en"
# **★★ Merge the heads (5 min)** The inverse of the last one: (batch, heads, tokens, channels) → (batch, tokens, heads × channels), head 0 first.

# %% exercise="merge_heads"
import torch
from einops import rearrange


def merge_heads(x):
    ### BEGIN SOLUTION
    return rearrange(x, "batch head token channel -> batch token (head channel)")
    ### END SOLUTION


# %%
from vlmlearn.exercises import check

check("merge_heads", merge_heads)

# %% [markdown] lang="zh"
# **★★★ 前归一化的块（20 分钟）** `x` 的形状是 (batch, tokens, width)。`attention` 和 `feed_forward` 是两个现成的函数，收到 (batch, tokens, width)，返回同样的形状。
# 写出一个块：先加上注意力的结果，再加上前馈的结果；每一半收到的都是**当时的** x 的层归一化（layer norm）。
# 层归一化没有可学的权重；方差除以 width，eps = 1e-5 加在方差上。返回的形状同 `x`。

# %% [markdown] lang="en"
# **★★★ A pre-norm block (20 min)** `x` has shape (batch, tokens, width). `attention` and `feed_forward` are two functions given to you; each takes (batch, tokens, width) and
# returns the same shape. Write the block: first add what attention returns, then what the feed-forward network returns; each receives the layer norm of x **as it is
# then**. The layer norm has no learnt weights; its variance is divided by the width, and eps = 1e-5 is added to the variance. Return the shape of `x`.

# %% exercise="pre_norm_block"
import torch
import torch.nn.functional as F


def pre_norm_block(x, attention, feed_forward):
    ### BEGIN SOLUTION
    x = x + attention(F.layer_norm(x, x.shape[-1:], eps=1e-5))
    return x + feed_forward(F.layer_norm(x, x.shape[-1:], eps=1e-5))
    ### END SOLUTION


# %%
from vlmlearn.exercises import check

check("pre_norm_block", pre_norm_block)

# %% [markdown] lang="zh"
# **🔧 修好一次训练（15 分钟）** 一行数字里藏着四道加法：两个个位数，然后是它们的和的个位，再下一道，例如 `3 9 2 5 1 6 …`。模型读到第二个加数时，要答出紧跟着的那个数字；
# `answers` 里放着这些答案，不提问的位置是 −100，交叉熵会跳过它们。
#
# 怪事来了：训练损失降得很低，看起来全学会了；一到考试就露馅，跟瞎猜差不多。考试时，这一行只给到第二个加数为止，后面是空的。毛病在哪里？找到它，改好。
# `may_look[i, j]` 为 `True`，表示位置 `i` 可以看位置 `j`。函数要返回每一步的损失（一个列表）；检查会训练一次，几秒钟，然后考试。

# %% [markdown] lang="en"
# **🔧 Repair a training run (15 min)** A row of digits holds four sums: two digits, then the last digit of their sum, then the next two, as in `3 9 2 5 1 6 …`. On reading the
# second digit of a sum, the model has to say the digit that comes next; `answers` holds these, and −100 where nothing is asked, which cross entropy leaves out.
#
# Here is the odd thing: the training loss falls very low, as if all were learnt, and in the exam the model does no better than guessing. The exam shows the row up to the
# second digit of a sum and nothing after it. What is wrong? Find and mend it. `may_look[i, j]` is `True` where place `i` may look at place `j`. Keep returning the
# loss of every step in a list; the check trains for a few seconds and then holds the exam.

# %% exercise="train_reader"
import torch
import torch.nn.functional as F


def train_reader(model, digits, answers, steps):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    length = digits.shape[1]
    ### BEGIN SOLUTION
    may_look = torch.ones(length, length).tril().bool()
    ### PLANTED
    # may_look = torch.ones(length, length).triu().bool()
    ### END SOLUTION
    losses = []
    for _ in range(steps):
        batch = torch.randint(len(digits), (64,))
        scores = model(digits[batch], may_look)
        loss = F.cross_entropy(scores.flatten(0, 1), answers[batch].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


# %%
from vlmlearn.exercises import check

check("train_reader", train_reader)

# %% [markdown] lang="zh"
# **◇ 开放实验：注意力权重是理由吗？（60 分钟）** 热力图常被拿来说明“模型看了这里，所以这样回答”。检验一下：在本章训练好的模型上，用掩码挡住权重最大的那个位置。
# 第 7 节数的是答对没有；答案的**概率**下降多少？随机挡住一个位置呢？若权重就是理由，前者应当总是大得多。
#
# 先写下预测。再想三件事：挡住要用掩码，不要把向量清零（0 也是一个值，模型没有见过）；有好几层、好几个头时，“权重最大”说的是哪一层、哪个头，或者怎样平均；
# 权重大的位置常常就是物体所在，那么再加一个对照：随机挡住另一个物体所在的位置。至少用三个随机种子重新训练，每个种子至少 200 个测试样本。
# 争论可以从 Jain 与 Wallace（2019）和 Wiegreffe 与 Pinter（2019）读起。
#
# | | 不足 | 合格 | 优秀 |
# |---|---|---|---|
# | 预测 | 没有 | 说了谁下降得多 | 说了多多少，以及什么样的结果会推翻它 |
# | 实验 | 一两张图 | 三个种子，各 200 个样本，与随机位置比较 | 还有别的对照（另一个物体、权重最小的位置），报告了波动 |
# | 结论 | “热力图看起来对” | 比较概率的下降，不只看答案变没变 | 说明在哪里权重与影响不一致、为什么，以及什么没有看出来 |

# %% [markdown] lang="en"
# **◇ Open lab: are attention weights reasons? (60 min)** Heat maps are often shown to say "the model looked here, hence this answer". Put it to the test: in the model trained in this
# chapter, hide the place with the largest weight behind a mask. Section 7 counted answers; how far does the *probability* of the answer fall? And if a random place is hidden? If weights were reasons, the first should
# always be much the larger.
#
# Write down a prediction. Then mind three things. Hide by a mask and not by zeroing a vector: zero is a value too, and one that the model has never met. With several layers and heads, say which of them "the
# largest weight" belongs to, or how you average. And large weights often lie on objects: add a control that hides a random place on another object. Train again with at least three seeds, and use at least 200 test
# samples for each. Jain and Wallace (2019) and Wiegreffe and Pinter (2019) are a way into the debate.
#
# | | weak | sound | excellent |
# |---|---|---|---|
# | prediction | none | says which falls further | says by how much, and which result would refute it |
# | experiment | a picture or two | three seeds, 200 samples each, compared with random places | further controls (another object, the smallest weight), spread reported |
# | conclusion | "the heat map looks right" | compares falls in probability, not only changed answers | says where weight and influence disagree, and why, and what did not show |

# %% [markdown] lang="zh"
# ## 9 选读：这个玩具世界藏起了什么
#
# 在我们的世界里，图像块自己就露着颜色，一层 Transformer、看一眼就够，注意力图也就落在物体上。
#
# 所以有一句话在这里大体成立，到了真实的大模型上却不成立：**注意力图画的就是模型看的地方**。
#
# - 叠了十几层之后，第 $p$ 个词元里装的早已不只是第 $p$ 块，权重高不等于那一块像素重要（Abnar 与 Zuidema，2020）。
# - 大的 ViT 会把很高的注意力压在毫无内容的背景块上，拿它们当草稿纸（Darcet 等，2024）。
#
# 还有，我们的每个问题只是一个词，一共才九个。真实的问题是句子，谁该看哪里，要读懂了才知道。

# %% [markdown] lang="en"
# ## 9 Optional: what the toy hides
#
# In our world a patch wears its colour openly. One block and one glance are enough, and so the attention maps fall on the object.
#
# One claim that more or less holds here is false for large models on real pictures: *the attention map shows where the model looks*.
#
# - After a dozen layers token $p$ holds far more than patch $p$, and a large weight need not mean that those pixels matter (Abnar and Zuidema 2020).
# - Large ViTs put very high attention on background patches without content, and use them as scratch paper (Darcet et al. 2024).
#
# Besides, each of our questions is one word, out of nine. Real questions are sentences, and who should look where is known only once they are understood.

# %% [markdown] lang="zh"
# ## 10 选读：真正的规模
#
# | | 这一章 | ViT-B/16（Dosovitskiy 等，2021） |
# |---|---|---|
# | 层 | 1 | 12 |
# | 头 | 4 | 12 |
# | 宽度 | 48 | 768 |
# | 图像块 | 64 | 196（224×224 的图，每块 16×16） |
# | 参数 | 不到 5 万 | 8600 万 |
#
# 公式一个字没变，变的是账单。权重表有 $n\times n$ 个数，每层每头一张：

# %% [markdown] lang="en"
# ## 10 Optional: at full scale
#
# | | this chapter | ViT-B/16 (Dosovitskiy et al. 2021) |
# |---|---|---|
# | layers | 1 | 12 |
# | heads | 4 | 12 |
# | width | 48 | 768 |
# | patches | 64 | 196 (pictures of 224×224, patches of 16×16) |
# | parameters | under 50 thousand | 86 million |
#
# Not a letter of the formula has changed; the bill has. A table of weights has $n\times n$ numbers, one for each layer and head:

# %%
print(f"this chapter's model: {parameters(untrained)} parameters")
for side in (224, 1024):
    patches = (side // 16) ** 2
    print(f"{side:4d} pixels   {patches:4d} patches   weights of one layer, 12 heads, float32: {patches**2 * 12 * 4 / 1e6:6.1f} MB")

# %% [markdown] lang="zh"
# 边长不到五倍，表大了四百多倍。所以软件包走 `F.scaled_dot_product_attention`：它一小块一小块地算，整张表从不出现在内存里（FlashAttention，Dao 等，2022；做法和
# 第 01 章的流式 log-sum-exp 一样）。省下的是内存；要算的乘法还是 $n^2$ 那么多。要看权重时才用 `weights`，它老老实实把表写出来。

# %% [markdown] lang="en"
# The side is less than five times as long, the table over four hundred times as large. So the package goes through `F.scaled_dot_product_attention`, which works piece by piece and never holds the whole table in memory
# (FlashAttention, Dao et al. 2022; the streaming log-sum-exp of chapter 01 is the same idea). That saves memory; the multiplications still grow as $n^2$. Only `weights`, for looking at them, writes the table
# out.

# %% [markdown] lang="zh"
# ## 11 小结
#
# - 注意力是加权平均：查询对键，得到权重，用来平均值。分数先除以 $\sqrt{d}$，softmax 才不会一开始就独断。
# - 它不知道次序。没有位置嵌入，打乱图像块，词的输出一模一样。
# - 掩码放在 softmax 之前，True 表示可以看；没有偷看未来，用梯度正好为零来证明。
# - 多个头不多要参数；一个块约有 $12d^2$ 个。
# - 残差留住词元，归一化管住长度，两样一起，才叠得深。
# - 注意力图说得出看哪一片，说不出为什么。
#
# **大家说 / 其实是**
#
# | 大家说 | 其实是 |
# |---|---|
# | “掩码就是乘以 0” | 要在 softmax 之前设成 $-\infty$，否则未来从分母里漏进来 |
# | “Transformer 天生懂次序” | 不加位置，它看到的是一个袋子 |
# | “头越多，参数越多” | 参数一样多，每个头变窄 |
# | “`eval()` 冻结了模型” | 它只改随机失活和批归一化的行为；冻结靠 `requires_grad_(False)` |
# | “热力图解释了答案” | 换一组权重，也能得出同样的答案 |

# %% [markdown] lang="en"
# ## 11 Summary
#
# - Attention is a weighted mean: queries meet keys, which gives weights, which average the values. Scores are divided by $\sqrt{d}$ so that softmax is not settled from the start.
# - It knows no order. Without position embeddings, shuffled patches leave the word's output identical.
# - The mask goes before the softmax, and True means may look. That nothing leaks from the future is proven by gradients that are exactly zero.
# - Several heads cost no parameters; a block has about $12d^2$.
# - The residual keeps the tokens, the norm keeps their length, and with both one can stack deep.
# - An attention map tells in which area the model looks. It does not tell why.
#
# **People say / it means**
#
# | people say | it means |
# |---|---|
# | "a mask multiplies by 0" | it sets $-\infty$ before the softmax; else the future leaks in through the denominator |
# | "a Transformer understands order" | without positions it sees a bag |
# | "more heads, more parameters" | as many parameters, narrower heads |
# | "`eval()` freezes the model" | it changes dropout and batch norm only; `requires_grad_(False)` freezes |
# | "the heat map explains the answer" | other weights lead to the same answer |

# %% [markdown] lang="zh"
# **比特账本**
#
# 8 种颜色差不多一样常见，所以问到的颜色有 $\log_2 8 = 3$ 比特。光凭问题猜不出来，语言自带的是 0。模型传递了多少？3 减去它的交叉熵（换成以 2 为底）：

# %% [markdown] lang="en"
# **The bit ledger**
#
# The 8 colours are about equally frequent, so the colour asked for holds $\log_2 8 = 3$ bits. The question alone tells nothing of it: 0 bits from language. How many does the model carry? Three, less its cross entropy (to
# base 2):

# %%
plots.bit_ledger("00b")

# %% [markdown] lang="zh"
# **小测：五道题**
#
# 1. 查询的维数是 64，分数忘了除以 $\sqrt{d}$，softmax 会怎样？
# 2. 一个没有位置嵌入的模型，能回答“图里有没有红色”吗？能回答“红色在不在左边”吗？
# 3. 因果掩码里，第 0 行有几个 True？
# 4. 一个 $d=256$ 的块，大约有多少参数？4 个头换成 8 个头呢？
# 5. 只调 `no_grad()`，没调 `eval()`，模型带随机失活，评测的分数会怎样？
#
# <details><summary>答案</summary>
#
# 1. 分数的标准差约为 8，softmax 几乎全押在一个键上，梯度也几乎没了。
# 2. 前一个能，后一个不能。
# 3. 一个：只能看自己。
# 4. $12\times256^2$，约 79 万。一个不多，一个不少。
# 5. 随机失活还在起作用，每次评测都不一样，而且多半偏低。
#
# </details>

# %% [markdown] lang="en"
# **Five questions**
#
# 1. Queries have width 64, and the division by $\sqrt{d}$ is forgotten. What does the softmax look like?
# 2. A model without position embeddings: can it answer "is there red in the picture"? And "is the red on the left"?
# 3. How many True has row 0 of a causal mask?
# 4. About how many parameters has a block with $d=256$? And with 8 heads instead of 4?
# 5. With `no_grad()` but without `eval()`, what happens to the test score of a model that has dropout?
#
# <details><summary>Answers</summary>
#
# 1. Scores have a standard deviation of about 8; nearly everything goes to one key, and there is hardly any gradient.
# 2. The first yes, the second no.
# 3. One: it sees itself only.
# 4. $12\times256^2$, about 790 thousand. Exactly as many.
# 5. Dropout still acts: another score every time, and mostly a lower one.
#
# </details>

# %% [markdown] lang="zh"
# **参考文献**
#
# - Vaswani 等，2017，[Attention Is All You Need](https://arxiv.org/abs/1706.03762)（缩放点积、多头，第 3.2 节）
# - Dosovitskiy 等，2021，[An Image is Worth 16x16 Words](https://arxiv.org/abs/2010.11929)（ViT）
# - Xiong 等，2020，[On Layer Normalization in the Transformer Architecture](https://arxiv.org/abs/2002.04745)（前归一化与后归一化）
# - Dong 等，2021，[Attention is not all you need: pure attention loses rank doubly exponentially with depth](https://arxiv.org/abs/2103.03404)（没有残差，词元会变得一样）
# - Jain 与 Wallace，2019，[Attention is not Explanation](https://arxiv.org/abs/1902.10186)；Wiegreffe 与 Pinter，2019，[Attention is not not Explanation](https://arxiv.org/abs/1908.04626)
# - Abnar 与 Zuidema，2020，[Quantifying Attention Flow in Transformers](https://arxiv.org/abs/2005.00928)
# - Dao 等，2022，[FlashAttention](https://arxiv.org/abs/2205.14135)
# - Darcet 等，2024，[Vision Transformers Need Registers](https://arxiv.org/abs/2309.16588)
#
# **下一章：** 01，哪句话配哪张图？词元会互相看了，接下来让图和句子各自变成一个向量，再去配对。（打算读第 04 章的话，要先读 00c：很小的语言模型，即将推出。）

# %% [markdown] lang="en"
# **References**
#
# - Vaswani et al. 2017, [Attention Is All You Need](https://arxiv.org/abs/1706.03762) (scaled dot product and heads, section 3.2)
# - Dosovitskiy et al. 2021, [An Image is Worth 16x16 Words](https://arxiv.org/abs/2010.11929) (ViT)
# - Xiong et al. 2020, [On Layer Normalization in the Transformer Architecture](https://arxiv.org/abs/2002.04745) (pre-norm and post-norm)
# - Dong et al. 2021, [Attention is not all you need: pure attention loses rank doubly exponentially with depth](https://arxiv.org/abs/2103.03404) (without residuals tokens become alike)
# - Jain and Wallace 2019, [Attention is not Explanation](https://arxiv.org/abs/1902.10186); Wiegreffe and Pinter 2019, [Attention is not not Explanation](https://arxiv.org/abs/1908.04626)
# - Abnar and Zuidema 2020, [Quantifying Attention Flow in Transformers](https://arxiv.org/abs/2005.00928)
# - Dao et al. 2022, [FlashAttention](https://arxiv.org/abs/2205.14135)
# - Darcet et al. 2024, [Vision Transformers Need Registers](https://arxiv.org/abs/2309.16588)
#
# **Next:** 01, which text goes with which image? Tokens can look at each other now; next a picture and a sentence each become one vector, and look for their partner. (If you mean to read chapter 04, read
# 00c first: a tiny language model, coming.)
