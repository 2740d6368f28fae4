# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
#   vlmlearn:
#     needs: []
#     teaches: [scene, caption, seed, ground truth, bounding box, mask, depth, keypoint, referring expression, shape type, uint8, CHW, einops, token, token id, vocabulary, padding, split, held-out, compositional generalisation, chance level, retrieval, Recall@K, baseline, bit, entropy]
# ---

# %% [markdown] lang="zh"
# # 00 从这里开始：我们要造什么？数据长什么样？
#
# **机器是怎样把看到的和读到的联系起来的？**
#
# 整门课只追这一个问题。你会亲手造出回答它的模型；它们都很小，在笔记本电脑上当场就能训练。
#
# 先花十分钟认识数据。这一章里，你还会玩一个配对游戏，算出瞎猜能得几分，再训练第一个模型。
#
# 上过一门 PyTorch 课就能读。不需要显卡，也不用下载数据，全章不到一小时。

# %% [markdown] lang="en"
# # 00 Start here: what will I build, and what does the data look like?
#
# **How does a machine come to connect what it sees with what it reads?**
#
# The whole course is after this one question. You will build the models that answer it, small enough to be trained on a laptop
# while you watch.
#
# The first ten minutes show you the data. Then you play a matching game, work out what blind guessing scores, and train a
# first model.
#
# One PyTorch course behind you is enough. You need no graphics card and download no data. The chapter takes less than an hour.

# %%
from vlmlearn import plots
from vlmlearn.world import render, sample_scenes

scenes = sample_scenes(8)
plots.picture_grid(render(scenes).images, scenes)

# %% [markdown] lang="zh"
# 八张图，每张下面是它的**描述**（caption），中文一遍，英文一遍，说的是同一件事。图不是拍的，话也不是人写的，都由上面两行代码现场生成。
#
# 我们把这一整套图和话叫作**世界**。它很小，但什么都有准确答案，所以课里的每个说法都可以拿来量一量。
#
# 后面的路是这样走的：
#
# | 章 | 做什么 |
# |---|---|
# | **00** | **你在这里：认识数据，玩一局，训练第一个模型** |
# | 00a–00b | 入门：像素和词怎样变成向量；注意力 |
# | 00c | 入门：很小的语言模型（即将推出，读 04 之前再看） |
# | **01** | **哪句话配哪张图？写出 CLIP 的损失，训练一个真的 CLIP** |
# | 02–03 | 双编码器的本领，SigLIP（即将推出） |
# | 04–06 | 把图接到语言模型上：投影器、交叉注意力、Q-Former（即将推出） |
# | 07–10 | 图像描述、视觉问答、各种任务头（即将推出） |
# | 11–14 | 融合编码器、BLIP、Flamingo、LLaVA（即将推出） |
# | 15–18 | 评测、大图与视频、偏好、能读也能画的模型（即将推出） |
# | 19–21 | 真实的模型权重、规模、发布（即将推出） |

# %% [markdown] lang="en"
# Eight pictures, and under each its **caption**, once in Chinese and once in English, saying the same. Nobody took the pictures and
# nobody wrote the sentences: the two lines of code above made them on the spot.
#
# We call all of this the **world**. It is small, but everything in it has an exact answer, so every claim of this course can be
# measured.
#
# The road ahead:
#
# | Chapter | What we do |
# |---|---|
# | **00** | **you are here: meet the data, play a game, train a first model** |
# | 00a–00b | on-ramp: pixels and words become vectors; attention |
# | 00c | on-ramp: a tiny language model (coming; needed before 04) |
# | **01** | **which text goes with which image? Write the CLIP loss, train a real CLIP** |
# | 02–03 | dual encoders at work, SigLIP (coming) |
# | 04–06 | joining pictures to a language model: projectors, cross-attention, Q-Former (coming) |
# | 07–10 | captioning, visual question answering, task heads (coming) |
# | 11–14 | fusion encoders, BLIP, Flamingo, LLaVA (coming) |
# | 15–18 | evaluation, large pictures and video, preferences, a model that reads and draws (coming) |
# | 19–21 | real checkpoints, scale, shipping (coming) |

# %% [markdown] lang="zh"
# ## 1 一个场景里有什么
#
# 先有**场景**（scene），后有图。场景只是一张清单：有几个物体，各是什么形状、颜色、大小，放在哪里。
#
# 看最后一张图的清单。坐标是占边长的比例，`x` 向右，`y` 向下。

# %% [markdown] lang="en"
# ## 1 What is in a scene
#
# First comes the **scene**, then the picture. A scene is nothing but a list: how many objects, of which shape, colour and size,
# and where.
#
# Here is the list of the last picture. Coordinates are fractions of the side, `x` to the right and `y` downwards.

# %%
from vlmlearn.world import COLORS, SHAPES, SIZES

scene = scenes[7]
for k in range(scene.count[0]):
    words = SIZES[scene.size[0, k]], COLORS[scene.color[0, k]], SHAPES[scene.shape[0, k]]
    print(k, *words, f" x {scene.x[0, k]:.2f}  y {scene.y[0, k]:.2f}")

# %% [markdown] lang="zh"
# 四个物体从远到近排好：在画面里站得越低，就越近。6 种形状、8 种颜色、2 种大小，就是全部材料。
#
# 场景没有存在任何文件里。它由三样东西算出来：**随机种子**（seed）、划分的名字（第 4 节再说）和编号。三样相同，场景就相同，单独算、成批算都一样：

# %% [markdown] lang="en"
# The four objects are sorted from far to near: the lower an object stands in the picture, the nearer it is. Six shapes, eight colours and
# two sizes are all the material there is.
#
# No scene is stored in a file. It is computed from three things: a **seed**, the name of a split (section 4), and an index. The same three
# give the same scene, alone or in a batch:

# %%
from vlmlearn.world import captions

again = sample_scenes([100, 7])
print("scene 7 again:    ", captions(again)[1])
print("the same as above:", captions(again)[1] == captions(scenes)[7])
print("another seed:     ", captions(sample_scenes([7], seed=1))[0])

# %% [markdown] lang="zh"
# 换一个种子，就是另一个世界。整门课都靠这一点：你跑出来的数据，和我们写下这些文字时看到的，一个像素都不差。
#
# 接着看像素。

# %% [markdown] lang="en"
# Another seed is another world. The course rests on this: your data and the data we saw while writing are the same to the last
# pixel.
#
# Now the pixels.

# %%
pictures = render(scenes)
images = pictures.images
print(images.shape, images.dtype, images.min(), images.max())
print("red, green, blue in row 50, column 30 of the last picture:", images[7, :, 50, 30])

# %% [markdown] lang="zh"
# 8 张图，每张 3 个通道（红、绿、蓝），高 64、宽 64。`uint8` 是 0 到 255 的整数，一个数占一个字节。
# 取出来的那个像素落在蓝色星形上，所以第三个数最大。
#
# 图是照着清单画的，所以每个像素的来历我们都知道：

# %% [markdown] lang="en"
# Eight pictures of three channels (red, green, blue), 64 high and 64 wide. `uint8` is a whole number from 0 to 255, one byte
# each. The pixel printed lies on the blue star, so its third number is the largest.
#
# The picture was drawn from the list, so we know where every pixel comes from:

# %%
#| alt-zh: 同一张图的六种样子：原图、边界框、实例编号、形状类别、深度、三角形的三个关键点
#| alt-en: six views of one picture: the image, boxes, instance numbers, shape classes, depth, and the three keypoints of the triangle
with plots.figure(11, 2.1, columns=6) as (fig, axes):
    plots.scene_labels(axes, scene, render(scene))

# %% [markdown] lang="zh"
# 从左到右：原图；**边界框**（bounding box）；**实例掩码**（instance mask），每个像素属于哪个物体；
# **语义掩码**（semantic mask），每个像素是什么形状；**深度**（depth），离镜头几米；**关键点**（keypoint），只有三角形有。
# 两种掩码里 0 都是背景，所以实例从 1 数起。
#
# 在真实数据里，这些要靠人一张张标，或者用仪器去测。这里它们是**真值**（ground truth），一个像素也不会错。框和遮挡也可以直接打印：

# %% [markdown] lang="en"
# From left to right: the image; **bounding boxes**; the **instance mask**, which object a pixel belongs to; the **semantic mask**, which
# shape it is; **depth**, how many metres away; **keypoints**, which only triangles have. In both masks 0 is the background, so instances count
# from 1.
#
# For real photographs people have to draw all this by hand, or instruments have to measure it. Here it is **ground truth**, never wrong by a pixel. The boxes, and
# how much of each object can be seen, can be printed too:

# %%
print(pictures.boxes[7].astype(int))
print(pictures.visible[7].round(2))

# %% [markdown] lang="zh"
# 一行一个框：左、上、右、下，单位是像素。第 1 号是三角形，露出 90%，剩下的被星形挡住了。
#
# 同一个场景还能出题、给答案，还能生成**指代表达**（referring expression），也就是只符合其中一个物体的说法：

# %% [markdown] lang="en"
# Each row is a box: left, top, right, bottom, in pixels, in the order of the list, which counts from 0. Number 1 is the triangle; 90% of it can be seen, the
# star hides the rest.
#
# The same scene also yields questions with their answers, and **referring expressions**, words that fit one object only:

# %%
from vlmlearn.world import questions, referring

for language in ("zh", "en"):
    asked = questions(scene, language, variant=1)[0]
    named = referring(scene, language, variant=2)[0]
    print(f"{asked.text} {asked.answer} | {named.text}: {named.target}")

# %% [markdown] lang="zh"
# 竖线左边是一问一答，右边是一个说法和它指的物体编号。往上对一对：2 号物体，正是蓝色星形。
#
# 一张清单，变出了图、框、掩码、深度、句子和问题。后面每一章只取其中几样。

# %% [markdown] lang="en"
# Left of the bar a question and its answer, right of it an expression and the number of the object it means. Check it in the list
# above: object 2 is the blue star.
#
# One list, and out come a picture, boxes, masks, depth, sentences and questions. Each later chapter takes a few of them.

# %% [markdown] lang="zh"
# ## 2 读懂张量的形状
#
# 很多错不在模型，在形状。所以这门课把形状写进类型，叫作**形状类型**（shape type），例如 `UInt8[Tensor, "batch 3 side side"]`：
#
# - `UInt8`：0 到 255 的整数；
# - `batch`：随便多少张；
# - `3`：正好三个通道，排在高和宽前面；
# - `side side`：同一个名字写两次，所以高和宽必须相等。
#
# 它不只是给人看的，可以当场检查：

# %% [markdown] lang="en"
# ## 2 Reading the shape of a tensor
#
# Many errors are not in the model but in the shapes. So this course writes the shape into the type, a **shape type** such as
# `UInt8[Tensor, "batch 3 side side"]`:
#
# - `UInt8`: whole numbers from 0 to 255;
# - `batch`: any number of pictures;
# - `3`: exactly three channels, before height and width;
# - `side side`: one name twice, so height and width must be equal.
#
# It is more than a comment. It can be checked:

# %%
import torch
from jaxtyping import UInt8
from torch import Tensor

Images = UInt8[Tensor, "batch 3 side side"]
batch = torch.from_numpy(images)
print("as rendered     ", isinstance(batch, Images))
print("as float        ", isinstance(batch.float(), Images))
print("left half       ", isinstance(batch[:, :, :, :32], Images))
print("channels last   ", isinstance(batch.permute(0, 2, 3, 1), Images))

# %% [markdown] lang="zh"
# 只有第一个合格。后三个依次错在：不是整数；高 64、宽 32，不相等；通道跑到了最后。
#
# 形状不对，软件包会明说。下面故意把图像 `images` 传给本该收实例掩码的函数：

# %% [markdown] lang="en"
# Only the first fits. The others fail in turn: not whole numbers; 64 high but 32 wide; channels last.
#
# When a shape is wrong, the package says so. Here we pass `images` on purpose to a function that wants instance masks:

# %%
from vlmlearn.world import semantic_masks

try:
    semantic_masks(scenes, images)
except ValueError as error:
    print(error)

# %% [markdown] lang="zh"
# 这句话按三步读：给了什么，想要什么，通常怎么改。全书的错误信息都是这个写法。
#
# 改变形状，我们用 **einops**。箭头左边写现在的样子，右边写想要的样子：

# %% [markdown] lang="en"
# Read it in three steps: what came, what was expected, the usual fix. Every error message of the course is built this way.
#
# To change a shape we use **einops**. Left of the arrow stands what we have, right of it what we want:

# %%
from einops import rearrange

channels_last = rearrange(images, "batch c h w -> batch h w c")
print(images.shape, "->", channels_last.shape)

# %% [markdown] lang="zh"
# 左边的排法叫 **CHW**（通道、高、宽），PyTorch 用它；右边的叫 **HWC**，画图的 matplotlib 用它。
#
# 括号把几根轴并成一根，或者把一根拆成几根。拆成两行、再并起来，八张图就成了一张拼图：

# %% [markdown] lang="en"
# The order on the left is called **CHW** (channel, height, width), PyTorch's. The one on the right is **HWC**, that of matplotlib, which
# draws our figures.
#
# Brackets join axes, or split one. Split the batch into two rows, join again, and eight pictures become one contact sheet:

# %%
#| alt-zh: 八张场景图拼成两行四列的一大张
#| alt-en: eight scene pictures joined into one sheet of two rows and four columns
sheet = rearrange(images, "(row column) c h w -> (row h) (column w) c", row=2)
print(sheet.shape)
plots.side_by_side({"contact sheet": sheet}, size=3)

# %% [markdown] lang="zh"
# 反过来写，就是切图。把一张图切成 4 × 4 块，每块留一道白边再摆回去：

# %% [markdown] lang="en"
# Written the other way round, it cuts. We cut one picture into 4 × 4 tiles and lay them out again with white gaps:

# %%
#| alt-zh: 一张场景图切成四行四列十六块，块与块之间有白缝
#| alt-en: one scene picture cut into sixteen tiles in four rows and columns, with white gaps between them
import numpy as np

tiles = rearrange(images[7], "c (row h) (column w) -> (row column) h w c", row=4, column=4)
print(tiles.shape)
framed = np.pad(tiles, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=255)
cut = rearrange(framed, "(row column) h w c -> (row h) (column w) c", row=4)
plots.side_by_side({"16 tiles": cut})

# %% [markdown] lang="zh"
# 16 块，每块 16 × 16 像素。视觉 Transformer 看图，第一步就是这样切的（第 00a 章细说）。
#
# 现在看两个人人都犯过的错。第一个：想把 CHW 变成 HWC，却用了 `reshape`。

# %% [markdown] lang="en"
# Sixteen tiles of 16 × 16 pixels. A vision Transformer begins just like this (chapter 00a tells more).
#
# Now two mistakes that everybody has made. The first: CHW is to become HWC, and `reshape` is used for it.

# %%
#| alt-zh: 左边是正常的场景图；右边用 reshape 得到，同一个画面缩小成九个灰色的小格，颜色没了
#| alt-en: left, the proper picture; right, the one made by reshape: nine small grey copies of the scene, without its colours
right = rearrange(images[7], "c h w -> h w c")
wrong = images[7].reshape(64, 64, 3)
print(right.shape, wrong.shape)
plots.side_by_side({"rearrange": right, "reshape": wrong})

# %% [markdown] lang="zh"
# 两个形状一模一样，也没有报错，可右边已经毁了：一张图变成了九张灰色小图。`reshape` 只换一种数法，不搬动数据；`rearrange` 才真的换轴。
#
# **形状对，不等于内容对**。拿不准，就画出来看一眼。
#
# 第二个错：分不清 0–255 和 0–1。

# %% [markdown] lang="en"
# The shapes are equal and there is no error, yet the second picture is ruined: nine small grey ones in place of one. `reshape` only
# counts differently; it is `rearrange` that swaps the axes.
#
# **A right shape does not mean right content.** When in doubt, draw it.
#
# The second mistake: 0–255 taken for 0–1.

# %%
#| alt-zh: 三张图：第一张正常；第二张把 0 到 255 当成 0 到 1，一片白；第三张把 0 到 1 存成整数，一片黑
#| alt-en: three pictures: the proper one; 0–255 taken for 0–1, all white; 0–1 stored as whole numbers, all black
too_large = torch.tensor(right).float().clamp(0, 1)
too_small = (torch.tensor(right) / 255).to(torch.uint8)
print(f"white: {100 * (too_large == 1).float().mean():.1f}% of the values")
print(f"black: {100 * (too_small == 0).float().mean():.1f}% of the values")
plots.side_by_side({"right": right, "0–255 as 0–1": too_large, "0–1 as uint8": too_small})

# %% [markdown] lang="zh"
# 一片白，一片黑，内容全没了。模型收到这样的输入不会抗议，只会一直学不好。
#
# 我们的约定：数据里存 `uint8`，省内存；模型自己负责换成浮点数。

# %% [markdown] lang="en"
# All white, all black, and the content gone. A model given such input does not protest; it just never learns well.
#
# Our rule: data are kept as `uint8`, which saves memory, and the model itself turns them into floats.

# %% [markdown] lang="zh"
# ## 3 词变成编号
#
# 模型也读不了字。**分词器**（tokenizer）先把句子切成**词元**（token），再给每个词元一个编号（token id）。

# %% [markdown] lang="en"
# ## 3 Words become numbers
#
# A model cannot read letters either. A **tokenizer** cuts a sentence into **tokens** and gives each token a number, its
# **token id**.

# %%
from vlmlearn.world import Tokenizer

tokenizer = Tokenizer()
sentences = ["一个蓝色大星形在左上角", "a large blue star at the top left"]
ids = tokenizer.encode(sentences, context_length=12)
for k in range(2):
    print(tokenizer.tokens(sentences[k]), ids[k].tolist(), sep="\n")

# %% [markdown] lang="zh"
# 中文没有空格，分词器每次取能对上的最长的词。两句话的词元有多有少，两行编号却一样长：
# 句首加 1（BOS，开始），句尾加 2（EOS，结束），后面用 0（PAD，**填充**）补齐。
#
# 编号只是词在**词表**（vocabulary）里的位置，大小没有意义。解码会去掉这三个记号，原句一字不差：

# %% [markdown] lang="en"
# Chinese has no spaces, so the tokenizer takes the longest word that fits. The sentences have different numbers of tokens, but the rows are
# equally long: 1 (BOS, begin) in front, 2 (EOS, end) behind, then 0 (PAD, **padding**).
#
# An id is only a word's place in the **vocabulary**; its size means nothing. Decoding drops the three marks and gives the
# sentences back:

# %%
print(tokenizer.decode(ids) == sentences, len(tokenizer))
try:
    tokenizer.encode("a large blu star")
except ValueError as error:
    print(error)

# %% [markdown] lang="zh"
# 词表是封闭的：世界不会说的词，一律报错，还会猜你想写什么。真正的模型用子词，什么字都能切，第 00a 章会讲。

# %% [markdown] lang="en"
# The vocabulary is closed: a word that the world never says is an error, with a guess at what you meant. Real models cut words into
# pieces and so can take any text; that is for chapter 00a.

# %% [markdown] lang="zh"
# ## 4 划分：什么叫“没见过”
#
# 训练用过的题，不能拿来考试。所以场景分成几个**划分**（split），各取一句看看：

# %% [markdown] lang="en"
# ## 4 Splits: what does "never seen" mean?
#
# No exam repeats the exercises of the lesson. So there are several **splits** of scenes. One sentence of each:

# %%
from vlmlearn.world.scenes import SPLITS

for split in SPLITS:
    print(f"{split:14}", captions(sample_scenes(1, split=split))[0])

# %% [markdown] lang="zh"
# `train` 用来训练，`val`（验证）用来选设置，`test` 用来最后打分。后两个在训练时**留出**（held-out）不用，里面都是新场景。
#
# 那 `compositional` 有什么不同？数一数：每种“形状–颜色”组合，在 4000 个场景里出现几次？

# %% [markdown] lang="en"
# `train` is for training, `val` (validation) for choosing settings, `test` for the final score. The last two are **held out** from
# training: their scenes are new.
#
# And what is different about `compositional`? Let us count how often each shape–colour pair occurs in 4,000 scenes.

# %%
#| alt-zh: 两张 6 行 8 列的次数表。训练划分里有 8 格打叉，从不出现；组合划分里 48 格都有，那 8 格次数最多
#| alt-en: two tables of 6 rows and 8 columns with counts. In the training split 8 cells are crossed out; in the compositional split all 48 occur, those 8 most often
train_scenes = sample_scenes(4000)
compositional = sample_scenes(4000, split="compositional")
with plots.figure(10, 3.6, columns=2) as (fig, (left, right)):
    plots.pair_table(left, train_scenes, "train")
    plots.pair_table(right, compositional, "compositional")

# %% [markdown] lang="zh"
# 训练里有 8 格是叉：红色圆形、橙色方形……红色见过，圆形也见过，就是没见过红色的圆形。`compositional` 里，这 8 格反而最多。
#
# 所以“没见过”有两种。`test` 考新场景；`compositional` 考**组合泛化**（compositional generalisation），把学过的东西用新的方式拼起来。
# 再数一数，各个划分里有多少场景含有新组合：

# %% [markdown] lang="en"
# Eight cells of training are crossed out: red circles, orange squares … Training shows red, and it shows circles, but never a red circle. In
# `compositional` these eight are the most frequent.
#
# So there are two kinds of "never seen". `test` asks about new scenes; `compositional` asks about **compositional
# generalisation**, putting known things together in a new way. How many scenes hold a new pair?

# %%
known = np.unique(train_scenes.pair[train_scenes.present])
for split in SPLITS:
    some = sample_scenes(4000, split=split)
    new = (~np.isin(some.pair, known) & some.present).any(axis=1)
    print(f"{split:14} {100 * new.mean():5.1f}% of scenes hold a new pair")

# %% [markdown] lang="zh"
# `test` 是 0，`compositional` 是 100，`all`（48 种组合随便抽）介于中间。往后看到一个分数，先问一句：考的是哪个划分？

# %% [markdown] lang="en"
# 0 for `test`, 100 for `compositional`, and in between for `all`, which draws from all 48 pairs. Whenever you see a score, ask first: on which
# split?

# %% [markdown] lang="zh"
# ## 5 玩一局：你比瞎猜强多少？
#
# 八张 `test` 里的图，八句打乱的话。给每张图找到它的句子，把字母按 1 到 8 的顺序写下来。大约两分钟，别偷看答案。

# %% [markdown] lang="en"
# ## 5 Play a game: how much better than guessing are you?
#
# Eight pictures of the `test` split and eight shuffled sentences. Find the sentence of each picture and write down the letters, in the order
# of pictures 1 to 8. It takes about two minutes. No peeking.

# %%
from vlmlearn.world import caption_pairs

game = caption_pairs(8, split="test", distinct=True)
order = torch.randperm(8, generator=torch.Generator().manual_seed(1)).tolist()
plots.matching_game(game.images, game.scenes, order)

# %% [markdown] lang="zh"
# ✏️ **把下面的 `my_answers` 换成你的八个字母，再运行**。现在填的 `ABCDEFGH` 只是占位，相当于闭着眼睛答。

# %% [markdown] lang="en"
# ✏️ **Replace `my_answers` by your own eight letters and run the cell.** `ABCDEFGH` only holds the place: it answers with eyes
# closed.

# %%
my_answers = "ABCDEFGH"

chosen = [order["ABCDEFGH".index(letter)] for letter in my_answers]
print(sum(chosen[k] == k for k in range(8)), "of 8")

# %% [markdown] lang="zh"
# <details><summary>答案</summary>
#
# `HGCFBADE`。占位的答案只蒙对了第 3 张。
#
# </details>

# %% [markdown] lang="en"
# <details><summary>Solution</summary>
#
# `HGCFBADE`. The placeholder got only picture 3 right, by luck.
#
# </details>

# %% [markdown] lang="zh"
# 记下你的分数：第 01 章里，一个训练好的模型会玩同一局。
#
# 闭着眼睛能对几个？每张图有 8 个选择，蒙对的机会是 1/8；8 张图加起来，平均对 1 个。用一万次随机排列验证一下：

# %% [markdown] lang="en"
# Keep your score: in chapter 01 a trained model plays the same game.
#
# How many are right with eyes closed? Each picture has 8 options, so the chance is 1/8; over 8 pictures that makes 1 on average. Let us
# try ten thousand random orders:

# %%
rng = np.random.default_rng(0)
guesses = np.array([rng.permutation(8) for _ in range(10_000)])
hits = (guesses == np.arange(8)).sum(axis=1)
print(f"mean hits {hits.mean():.2f}, share {100 * hits.mean() / 8:.1f}%")
print("share of games with 0, 1, 2, ... 8 hits", (np.bincount(hits, minlength=9) / len(hits)).round(3))

# %% [markdown] lang="zh"
# 一万次的平均和 1 几乎没有差别。1/8 也就是 12.5%，叫**随机水平**（chance level）。蒙对 4 个或更多的不到 2%，所以对 5 个已经不像运气了。
#
# 换成 200 张图、200 句话，瞎猜平均能对几个？先想一想，后面的练习里揭晓。不说随机水平，分数就没有意义。

# %% [markdown] lang="en"
# Ten thousand games come out at almost exactly 1. And 1/8, that is 12.5%, is the **chance level**. Fewer than 2% of the games have 4 hits
# or more, so 5 hits hardly look like luck.
#
# And with 200 pictures and 200 sentences, how many does guessing get right on average? Think about it; the exercises below tell. A score means
# nothing without its chance level.

# %% [markdown] lang="zh"
# ## 6 训练第一个模型
#
# 从一堆里把对的找出来，这种任务叫**检索**（retrieval）。成绩叫 **Recall@1**（召回率）：有百分之几的图，把自己的句子排在第一。
# Recall@5 放宽到前五名。
#
# 第一个模型故意造得很笨，只会数数：图里每种颜色占多少，句子里每个词出现几次。两边各过一个线性层，变成两个向量，越相配就该越接近。
# 形状、位置、词序，它一概不看。

# %% [markdown] lang="en"
# ## 6 Train a first model
#
# Finding the right one in a heap is called **retrieval**. Its score is **Recall@1**: the percentage of pictures that rank their own sentence
# first. For Recall@5 it has to be among the first five.
#
# Our first model is dull on purpose. It only counts: how much of each colour a picture holds, how often each word stands in a sentence. One
# linear layer on each side turns the counts into two vectors, which should be close where picture and sentence belong together. It
# knows nothing of shapes, places or the order of words.

# %% [markdown] lang="zh"
# 这样的模型叫**基线**（baseline）：以后的模型要证明自己有用，先得赢过它。
#
# **猜一猜**：从 200 句里挑，它的 Recall@1 能有多少？先备好题目：4000 对用来训练，200 对用来考试，考试的句子各不相同。

# %% [markdown] lang="en"
# Such a model is a **baseline**: whatever comes later has to beat it first.
#
# **Make a guess**: what will its Recall@1 be among 200 sentences? First the material: 4,000 pairs to train on, 200 for the exam, whose
# sentences all differ.

# %%
train = caption_pairs(4000)
gallery = caption_pairs(200, split="test", distinct=True)
print(train.images.shape, train.ids.shape)

# %% [markdown] lang="zh"
# 句子用英文版，每句补齐到 32 个编号；中间的 1 是每张图一句话。（加上 `language="zh"` 就换成中文，你可以试试，成绩差不多。）
#
# 损失用现成的 `clip_loss`，眼下当黑盒：每步拿 128 对，越能认出各自的另一半，损失越小；瞎猜的损失是 ln 128。第 01 章会把它拆开。

# %% [markdown] lang="en"
# The sentences are English, 32 ids each with padding; the 1 in the middle says one sentence a picture. (Add `language="zh"` for Chinese; try it, the score is much the same.)
#
# The loss is `clip_loss`, a black box for now: each step takes 128 pairs, and the better pictures and sentences recognise their partners, the
# smaller it is. Guessing costs ln 128, about 4.85 (chapter 00a shows why a logarithm). Chapter 01 opens the box.

# %%
from vlmlearn.losses import clip_loss
from vlmlearn.models import ColorHistogramBaseline


def loss(model, batch):
    images, ids = batch
    return clip_loss(model.encode_image(images), model.encode_text(ids), model.log_scale.exp())


# %% [markdown] lang="zh"
# 训练 300 步，只要几秒：

# %% [markdown] lang="en"
# We train for 300 steps, a few seconds:

# %% tags=["live"]
#| alt-zh: 训练曲线：损失从虚线 ln 128，约 4.85，很快降到 1 以下
#| alt-en: training curve: the loss falls quickly from the dashed line at ln 128, about 4.85, to below 1
import math

from vlmlearn.training import TrainConfig, fit, shuffled_batches

torch.set_num_threads(2)
torch.manual_seed(0)
model = ColorHistogramBaseline(vocabulary=len(tokenizer))
batches = shuffled_batches(train.images, train.ids[:, 0], batch_size=128, seed=0)
history = fit(model, batches, loss, TrainConfig(steps=300))

with plots.figure() as (fig, [axes]):
    plots.training_curve(axes, history, chance=math.log(128))
assert history.last() < 2, "the training went wrong: the loss should be below 2"

# %% [markdown] lang="zh"
# 曲线从虚线附近出发：一开始，模型就是在瞎猜。最后损失落到 2 以下。
#
# 现在考试：200 张没见过的图，对 200 句话。图和句子两两打分，一共 200 × 200 个分数：

# %% [markdown] lang="en"
# The curve starts near the dashed line: in the beginning the model is guessing. In the end the loss is below 2.
#
# Now the exam: 200 pictures never seen, against 200 sentences. Every picture is scored with every sentence, 200 × 200 scores in all:

# %% tags=["live"]
from vlmlearn.metrics import recall_at_k

with torch.no_grad():
    text = model.encode_text(gallery.ids[:, 0])
    similarity = model.encode_image(gallery.images) @ text.T

for k in (1, 5):
    print(f"Recall@{k}: {recall_at_k(similarity, k).image_to_text:.1f}   chance {100 * k / 200:.1f}")
assert recall_at_k(similarity).image_to_text > 50, "the training went wrong: Recall@1 should be above 50"

# %% [markdown] lang="zh"
# 随机水平是 0.5，而它超过了 50。一个连圆和方都分不清的模型，200 句里一挑，一多半都挑对了！
#
# 它到底对在哪里、错在哪里？✓ 是选对的。✗ 先给出它选的句子，横线下面才是正确的，`#` 后面是正确句子的名次，`cos` 是分数（余弦，最大是 1，第 00a 章会讲）：

# %% [markdown] lang="en"
# Chance is 0.5, and this is above 50. A model that cannot tell a circle from a square picks the right one of 200 sentences more often than
# not!
#
# Where is it right and where wrong? ✓ marks a hit. Under ✗ stands the sentence it chose and, below the line, the right one
# with its rank after `#`; `cos` is the score (a cosine, 1 at most; chapter 00a explains it):

# %% tags=["live"]
best = similarity.argmax(dim=1)
hit = best == torch.arange(200)
shown = hit.nonzero()[:3, 0].tolist() + (~hit).nonzero()[:3, 0].tolist()
assert hit.sum() > 100
plots.retrieval_panel(gallery.images, gallery.scenes, similarity, shown)

# %% [markdown] lang="zh"
# 看那三个错的：颜色往往都对，错在形状和位置。是巧合吗？把所有选错的数一遍，看它选中的和正确的颜色是否完全相同，再和随便选一句比一比：

# %% [markdown] lang="en"
# Look at the three misses: the colours tend to be right, shapes and places wrong. A coincidence? Count over all misses how often the chosen
# sentence has exactly the right colours, and compare with choosing any other sentence:

# %% tags=["live"]
colors = [sorted(c[there]) for c, there in zip(gallery.scenes.color, gallery.scenes.present, strict=True)]
misses = (~hit).nonzero()[:, 0].tolist()
same = np.mean([colors[k] == colors[best[k]] for k in misses])
anyone = np.mean([colors[k] == colors[j] for k in misses for j in range(200) if j != k])
print(f"{len(misses)} misses, {100 * same:.0f}% of them with exactly the right colours")
print(f"any other sentence instead: {100 * anyone:.0f}%")
assert len(misses) < 100 and same > 0.4

# %% [markdown] lang="zh"
# 不是巧合：选错的里面，四成以上颜色一个不差；随便选一句，很少这么巧。颜色它学会了，形状和位置却看不见。
#
# 再做一个狠一点的实验：把每张图的像素彻底打乱，形状全没了。

# %% [markdown] lang="en"
# No coincidence: in more than 40% of the misses every colour is right, which seldom happens to a sentence taken at random. The model has
# learnt colours; to shapes and places it is blind.
#
# Now something harsher: we shuffle the pixels of every picture until no shape is left.

# %%
#| alt-zh: 左边是场景图，右边是像素打乱之后的同一张图，只剩一片彩色噪点
#| alt-en: left, a scene; right, the same picture with its pixels shuffled, nothing but coloured noise
places = torch.randperm(64 * 64, generator=torch.Generator().manual_seed(0))
pixels = rearrange(gallery.images, "n c h w -> n c (h w)")[:, :, places]
shuffled = rearrange(pixels, "n c (h w) -> n c h w", h=64)
before, after = (rearrange(x[7], "c h w -> h w c") for x in (gallery.images, shuffled))
plots.side_by_side({"picture": before, "pixels shuffled": after})

# %% [markdown] lang="zh"
# 换你来，这一张该配哪句话？模型用打乱的图再考一次，Recall@1 会掉多少？先猜，再运行：

# %% [markdown] lang="en"
# Which sentence would you give this one? The model takes the exam again with shuffled pictures. How far does its Recall@1 fall? Guess, then
# run:

# %% tags=["live"]
with torch.no_grad():
    again = model.encode_image(shuffled) @ text.T

before, after = recall_at_k(similarity).image_to_text, recall_at_k(again).image_to_text
print(f"Recall@1: {before:.1f} before, {after:.1f} after")
assert before == after > 50

# %% [markdown] lang="zh"
# 一点没掉。我们眼里的一片噪点，在它看来和原图一模一样，因为每种颜色的多少没有变。
#
# 词序也一样：“甲在乙的左边”和“乙在甲的左边”，词完全相同，它给的分数也就完全相同：

# %% [markdown] lang="en"
# Not at all. What is noise to us is the same picture to the model, for the amount of each colour has not changed.
#
# The order of words is no different: "A left of B" and "B left of A" have the same words, and so get the same score:

# %% tags=["live"]
from vlmlearn.world import swapped_captions

true, false, _ = swapped_captions(gallery.scenes[0], "relation")
with torch.no_grad():
    picture = model.encode_image(gallery.images[:1])
    scores = (picture @ model.encode_text(tokenizer.encode(true + false)).T)[0]
print(f"{scores[0]:.3f} {true[0]}\n{scores[1]:.3f} {false[0]}")
assert (scores[0] - scores[1]).abs() < 1e-5 and scores[0] > 0.3

# %% [markdown] lang="zh"
# 所以，**分数高不等于看懂了**。要看懂，就得知道什么形状配什么颜色、谁在谁的左边。第 01 章的模型能学会多少，我们照样会量。
#
# 最后，让它玩你玩过的那一局：

# %% [markdown] lang="en"
# So **a high score is not understanding**. To understand is to know which shape has which colour, and who is left of whom. How much of
# it the model of chapter 01 learns, we shall measure as well.
#
# Finally, let it play your game:

# %% tags=["live"]
#zh 考题的前八张，正是游戏里的八张
#en the first eight of the gallery are the pictures of the game
played = similarity[:8, :8].argmax(dim=1)
hits = int((played == torch.arange(8)).sum())
print(f"the baseline: {hits} of 8, guessing: 1 of 8")
assert hits >= 4

# %% [markdown] lang="zh"
# 只靠颜色，它就至少对 4 个。你赢了吗？别忘了，你还看得见形状和位置。

# %% [markdown] lang="en"
# With nothing but colours it gets at least 4 right. Did you beat it? You had shapes and places to go by as well.

# %% [markdown] lang="zh"
# ## 练习
#
# 写好函数，运行下面的检查。错了没关系：检查会说出错在哪里。提示和参考答案都折叠着，先自己试。
#
# **★ 先猜再跑（2 分钟）** 200 张图、200 句话，闭着眼配对，平均能对几个？

# %% [markdown] lang="en"
# ## Exercises
#
# Write the function, run the check below it. Being wrong is fine: the check says in what way. Hints and solution are folded; try first.
#
# **★ Predict, then run (2 min)** 200 pictures and 200 sentences, matched with eyes closed: how many are right on average?

# %%
import numpy as np

shuffler = np.random.default_rng(1)
for n in (8, 200):
    right = [(shuffler.permutation(n) == np.arange(n)).sum() for _ in range(2000)]
    print(f"{n:3d} pairs   mean right {np.mean(right):.1f}   that is {100 * np.mean(right) / n:.1f}%")

# %% [markdown] lang="zh"
# <details><summary>答案</summary>
#
# 还是 1 个：每张图蒙对的机会是 1/200，一共 200 张。占比却从 12.5% 掉到 0.5%。
#
# </details>

# %% [markdown] lang="en"
# <details><summary>Answer</summary>
#
# Still one: each picture has a chance of 1/200, and there are 200. But the share falls from 12.5% to 0.5%.
#
# </details>

# %% [markdown] lang="zh"
# **★ 先猜再跑（2 分钟）** 把形状 `(2, 3)` 的数组 `reshape` 成 `(3, 2)`，和换轴得到的 `(3, 2)`，一样吗？

# %% [markdown] lang="en"
# **★ Predict, then run (2 min)** An array of shape `(2, 3)` becomes `(3, 2)` by `reshape`, and by an exchange of axes. Are the two alike?

# %%
import numpy as np

small = np.arange(6).reshape(2, 3)
print("reshape       ", small.reshape(3, 2).tolist())
print("axes exchanged", small.T.tolist())

# %% [markdown] lang="zh"
# <details><summary>答案</summary>
#
# 不一样。`reshape` 只是按原来的次序重新分段，换轴才真的移动数。
#
# </details>

# %% [markdown] lang="en"
# <details><summary>Answer</summary>
#
# No. `reshape` cuts the same sequence anew; only an exchange of axes moves numbers.
#
# </details>

# %% [markdown] lang="zh"
# **★★ 通道换到最后（5 分钟）** `images` 是形状 `(batch, 3, side, side)` 的 NumPy 数组，返回通道在最后的 `(batch, side, side, 3)`，可以用 einops。

# %% [markdown] lang="en"
# **★★ Channels last (5 min)** `images` is a NumPy array of shape `(batch, 3, side, side)`. Return it with channels last, `(batch, side, side, 3)`; einops is welcome.

# %% exercise="to_channels_last"
from einops import rearrange


def to_channels_last(images):
    ### BEGIN SOLUTION
    return rearrange(images, "batch c h w -> batch h w c")
    ### END SOLUTION


# %%
from vlmlearn.exercises import check

check("to_channels_last", to_channels_last)

# %% [markdown] lang="zh"
# **★★ 拼图（10 分钟）** 把 `images`（形状同上）拼成一大张，一行放 `columns` 张，从左到右、从上到下，通道在最后。图的张数总能被 `columns` 整除。

# %% [markdown] lang="en"
# **★★ A contact sheet (10 min)** Join `images` (shaped as above) into one large picture with `columns` of them in a row, left to right, top to bottom, channels last. Their number is always a multiple of `columns`.

# %% exercise="contact_sheet"
from einops import rearrange


def contact_sheet(images, columns):
    ### BEGIN SOLUTION
    return rearrange(images, "(row column) c h w -> (row h) (column w) c", column=columns)
    ### END SOLUTION


# %%
from vlmlearn.exercises import check

check("contact_sheet", contact_sheet)

# %% [markdown] lang="zh"
# ## 7 这个玩具世界藏起了什么
#
# 我们的世界太干净了。背景不含信息，物体只有几十种，每句话都把每个物体说全、说对。真实的照片有光影、有看不清的东西、有说不完的细节；
# 网上的图片说明常常只说一半，或者说的根本不是这张图，比如“度假第三天！”。
#
# 所以有一句话在这里成立，到了真实数据上就不成立：**只数颜色就能挑对一多半**。照片的颜色随光线变，句子里也很少提颜色。
# 这门课里的数字，说明的是方法之间的差别，不是模型在真实世界里的水平。

# %% [markdown] lang="en"
# ## 7 What the toy hides
#
# Our world is too clean. Backgrounds carry no information, there are a few dozen kinds of objects, and every sentence names every object, rightly. Real photographs have
# light and shade, things hard to make out, details without end; captions from the web often tell half of it, or nothing of the picture at all, as in "third day of our
# holiday!"
#
# So one claim that holds here would be false on real data: *counting colours finds the right sentence more often than not*. In photographs
# colours change with the light, and sentences seldom mention them. The numbers of this course tell how methods differ, not how well a model does in
# the wild.

# %% [markdown] lang="zh"
# ## 8 比特账本
#
# 一句描述里有多少信息？真实的图片说明没人答得上来。我们的世界可以精确地算，因为掷骰子的规则就写在代码里。
#
# 单位是**比特**（bit）：一次公平的二选一是 1 比特，八选一是 3 比特，$N$ 选一是 $\log_2 N$ 比特；不均匀的，就按概率平均，叫作**熵**（entropy）。

# %% [markdown] lang="en"
# ## 8 The bit ledger
#
# How much information is in a caption? For captions of the real world nobody can say. For ours it can be computed exactly, because the dice that drew each scene
# are written in the code.
#
# The unit is the **bit**: a fair choice between two is 1 bit, among eight 3 bits, among $N$ it is $\log_2 N$ bits; where options are not equally likely one averages by
# their probabilities, and calls it the **entropy**.

# %%
from vlmlearn.world import caption_entropy, free_word_bits

bits = caption_entropy()
for part in ("count", "pairs", "sizes", "place", "order"):
    print(f"{part:6s} {getattr(bits, part):5.2f}")
print(f"total  {bits.total:5.2f}   of which the picture shows {bits.visible:.2f}")
texts = captions(sample_scenes(1000, split="test"))
print(f"if every word were a free choice: {free_word_bits(texts):.1f}")

# %% [markdown] lang="zh"
# 从上到下：几个物体；是哪些形状–颜色组合；多大；在哪里；先说哪个。最后一项图里看不出来，所以图能决定的是 17.9 比特。
#
# 如果每个词都从 114 个里随便挑，一句话要 90 多比特。多出来的七十多比特由**语言本身**提供：“a large red” 后面只能是形状。
# 不看图、只懂语言的模型，省下的就是这一部分。这样的模型叫语言模型，第 00c 章（即将推出）会做一个。
#
# 那么，颜色基线从图里带过去多少？让它从 1000 句里挑：瞎猜还缺 $\log_2 1000$ 比特，它还缺的就是它的损失，换算成比特（怎么换算，第 00a 章讲）。
# 两者一减，就是它带过去的。每一章都给账本添一行：

# %% [markdown] lang="en"
# From top to bottom: how many objects; which shape–colour pairs; which sizes; where; which is mentioned first. The last cannot be seen in the picture, so 17.9 bits can
# come from it.
#
# If every word could be any of the 114, a sentence would take over 90 bits. The seventy-odd bits beyond the total above are supplied by **language itself**: after "a large red" there can
# only be a shape. A model that knows the language and never looks saves just that part. It is called a language model; chapter 00c (coming) builds one.
#
# And how much does the colour baseline carry over from the picture? We let it choose among 1,000 sentences: guessing lacks $\log_2 1000$ bits of the answer, and what the model lacks is its loss,
# put into bits (chapter 00a shows how). The difference is what it carries. Every chapter adds a line to this ledger:

# %%
plots.bit_ledger("00")

# %% [markdown] lang="zh"
# 从 1000 句里挑一句，最多能显出 $\log_2 1000 \approx 10$ 比特。光数颜色，就带过去其中的一大半！听起来不少，可别忘了第 6 节：它连圆和方都分不清。

# %% [markdown] lang="en"
# Finding one of 1,000 sentences can show $\log_2 1000 \approx 10$ bits at most. Counting colours alone carries more than half of that! It sounds like a lot, but remember section 6:
# this model cannot tell a circle from a square.

# %% [markdown] lang="zh"
# ## 9 这门课怎么用
#
# - **笔记本**：一章一个问题。先跑，再读，再改数字看看会怎样；随时可以从头再跑一遍。
# - **软件包** `vlmlearn`：笔记本里用到的都在里面，一个概念一个文件，读得完。想看源码，新开一个格子运行 `plots.pair_table??`。
# - **说法要量过才算**：有的教科书说法在这个小世界里量不出来，我们会照实写，并说明为什么。
# - **会变的数字**：训练在不同的机器上会差一点，所以正文只写保证能达到的界限，比如“超过 50”。
#
# 每章都有练习，前面就是这一章的。记号如下：
#
# | 记号 | 做什么 | 大约 |
# |---|---|---|
# | ★ | 运行之前，先猜结果 | 2 分钟 |
# | ★★ | 补上一到三行 | 10 分钟 |
# | ★★★ | 自己写一个部件 | 20 分钟 |
# | 🔧 | 一次训练出了毛病，把它修好 | 15 分钟 |
# | ◇ | 开放实验，附评分标准 | 60 分钟 |

# %% [markdown] lang="en"
# ## 9 How this course works
#
# - **Notebooks**: one chapter, one question. Run, read, then change a number and see; you can always run it again from the top.
# - **The package** `vlmlearn` holds everything the notebooks use, one concept a file, short enough to read. To see the source, run
#   `plots.pair_table??` in a new cell.
# - **Claims are measured.** Some that stand in textbooks do not show in this small world; then we say so, and why.
# - **Numbers that vary**: training differs a little between machines, so the text quotes only bounds that are kept, such as "above 50".
#
# Every chapter has exercises; those of this one stand above. They are marked:
#
# | Mark | What you do | About |
# |---|---|---|
# | ★ | predict before you run | 2 min |
# | ★★ | complete one to three lines | 10 min |
# | ★★★ | build a part yourself | 20 min |
# | 🔧 | repair a run that trains badly | 15 min |
# | ◇ | open lab, with a rubric | 60 min |

# %% [markdown] lang="zh"
# ## 10 入门章要读吗？
#
# 十道题，每题只有一个对。拿不准就写 `-`，别猜：这不是考试，是帮你省时间。
#
# 1. 形状 `(8, 3, 64, 64)` 的图，切成 16 × 16 的块，每块过同一个线性层。哪种运算与它相同？
#    a. 核 16、步长 1 的卷积　b. 核 16、步长 16 的卷积　c. 16 × 16 的最大池化　d. 整张图展平后过一个线性层
# 2. 一句话有 5 个词，前后加上 BOS 和 EOS，补到长度 8。要补几个 PAD？
#    a. 3　b. 2　c. 1　d. 0
# 3. 向量 `(3, 4)` 和 `(4, 3)` 的余弦是多少？
#    a. 0.96　b. 24　c. 0.04　d. 1
# 4. 分类器对 48 个名字给出同样的分数。它的交叉熵是多少？
#    a. 0　b. 1/48　c. 48　d. ln 48，约 3.87
# 5. 每个查询和键都是 16 维。注意力的分数要除以几，softmax 沿哪根轴做？
#    a. 除以 4，沿键　b. 除以 16，沿键　c. 除以 4，沿查询　d. 不除，沿键
# 6. 因果掩码应当怎样用？
#    a. softmax 之后，未来的权重乘 0　b. 未来的值向量乘 0　c. 未来位置不算损失　d. softmax 之前，未来的分数设成负无穷
# 7. 不加位置信息的自注意力层，输入的词元打乱次序，输出会怎样？
#    a. 完全不变，次序也不变　b. 跟着打乱，每个词元自己的输出不变　c. 每个词元的输出都变　d. 只有第一个变
# 8. `model.eval()` 做了什么？
#    a. 冻结权重　b. 不再记录梯度　c. 让随机失活（dropout）和批归一化换成评测时的行为　d. 以上都有
# 9. 训练语言模型，输入是 `<bos> 红色 圆环`。目标是什么？
#    a. `<bos> 红色 圆环`　b. `红色 圆环 <eos>`　c. `圆环 <eos> <pad>`　d. `<pad> <bos> 红色`
# 10. 模型给下一个词的概率是 1/4。这个词带来多少比特的意外（surprisal）？
#     a. 0.25　b. 0.6　c. 4　d. 2
#
# 把答案按次序填进去，再运行：

# %% [markdown] lang="en"
# ## 10 Do you need the on-ramp chapters?
#
# Ten questions, one right option each. Write `-` where you are not sure instead of guessing: this is no exam, it is to save your time.
#
# 1. Pictures of shape `(8, 3, 64, 64)` are cut into patches of 16 × 16, and each patch goes through the same linear layer. Which operation does the same?
#    (a) a convolution of kernel 16, stride 1 (b) one of kernel 16, stride 16 (c) a 16 × 16 max pooling (d) a linear layer on the whole picture, flattened
# 2. A sentence of 5 words gets BOS and EOS and is padded to length 8. How many PADs does it take?
#    (a) 3 (b) 2 (c) 1 (d) 0
# 3. What is the cosine of the vectors `(3, 4)` and `(4, 3)`?
#    (a) 0.96 (b) 24 (c) 0.04 (d) 1
# 4. A classifier gives the same score to all of 48 names. What is its cross entropy?
#    (a) 0 (b) 1/48 (c) 48 (d) ln 48, about 3.87
# 5. Queries and keys have 16 dimensions. What are the attention scores divided by, and along which axis goes the softmax?
#    (a) by 4, along the keys (b) by 16, along the keys (c) by 4, along the queries (d) by nothing, along the keys
# 6. How is a causal mask applied?
#    (a) after the softmax, weights of the future times 0 (b) values of the future times 0 (c) places of the future are left out of the loss (d) before the softmax, scores of the future become minus infinity
# 7. A self-attention layer without positions gets its tokens in another order. What happens to the output?
#    (a) nothing, not even the order changes (b) it is reordered alike; each token keeps its own output (c) every token's output changes (d) only the first one's does
# 8. What does `model.eval()` do?
#    (a) it freezes the weights (b) it stops recording gradients (c) it makes dropout and batch norm behave as in evaluation (d) all of these
# 9. A language model is trained with the input `<bos> red ring`. What is the target?
#    (a) `<bos> red ring` (b) `red ring <eos>` (c) `ring <eos> <pad>` (d) `<pad> <bos> red`
# 10. A model gives the next word a probability of 1/4. How many bits of surprise (surprisal) does the word bring?
#     (a) 0.25 (b) 0.6 (c) 4 (d) 2
#
# Fill in your answers in order, then run:

# %%
from vlmlearn.exercises import placement

placement("----------")

# %% [markdown] lang="zh"
# 一章的题全对，就可以跳过那一章；错了哪题，读的时候就留意哪里。
#
# <details><summary>不运行也能对答案</summary>
#
# 正确答案：bcad adbc bd
#
# 1–4 题属于 00a，5–8 题属于 00b，9–10 题属于 00c（读第 04 章之前再看也不迟）。
#
# </details>

# %% [markdown] lang="en"
# Skip a chapter whose questions are all right; where one was wrong, look out for it while you read.
#
# <details><summary>The answers, without running anything</summary>
#
# Right answers: bcad adbc bd
#
# Questions 1–4 belong to 00a, 5–8 to 00b, 9–10 to 00c (coming), which you need only before chapter 04.
#
# </details>

# %% [markdown] lang="zh"
# ## 小结
#
# - 场景是一张清单，由种子、划分和编号算出；图、标注和中英文句子都来自它。
# - 类型里写着形状，`rearrange` 换轴，`reshape` 不换。
# - 句子变成编号，首尾有 BOS、EOS，不够长用 PAD 补。
# - `test` 是新场景，`compositional` 是新组合。
# - 先算随机水平，再看分数；先看基线，再夸模型。
#
# **大家说 / 其实是**
#
# | 大家说 | 其实是 |
# |---|---|
# | “形状对上了，就没错。” | `reshape` 的形状也对上了，画面却毁了。 |
# | “模型没见过测试集。” | 没见过的是场景，还是组合？ |
# | “它有 60 分。” | 从几个里面挑？什么都不懂能得几分？ |
# | “它看懂了图。” | 把像素打乱，分数掉了没有？ |

# %% [markdown] lang="en"
# ## Summary
#
# - A scene is a list, computed from seed, split and index; pictures, labels and sentences in two languages come from it.
# - Types say the shape; `rearrange` swaps axes, `reshape` does not.
# - Sentences become ids between BOS and EOS, with PAD where they are short.
# - `test` holds new scenes, `compositional` new pairs.
# - First the chance level, then the score; first the baseline, then the praise.
#
# **People say / it means**
#
# | People say | It means |
# |---|---|
# | "The shapes fit, so it is right." | So did those of `reshape`, and the picture was ruined. |
# | "The model has never seen the test set." | Never seen the scenes, or the combinations? |
# | "It scores 60." | Out of how many options? What does knowing nothing score? |
# | "It understands the picture." | Does the score fall when the pixels are shuffled? |

# %% [markdown] lang="zh"
# ## 小测
#
# 1. `UInt8[Tensor, "batch 3 side side"]` 能不能是 `(8, 3, 64, 32)`？
# 2. 一张图显示出来全白，最可能错在哪里？
# 3. 50 张图配 50 句话，瞎猜平均对几对？Recall@1 的随机水平是多少？
# 4. 训练里从没有红色圆形。考“红色圆形”，用哪个划分？
# 5. 像素打乱之后，颜色基线的分数为什么不变？
#
# <details><summary>答案</summary>
#
# 1. 不能，`side` 出现两次，高和宽必须相等。
# 2. 把 0–255 的数当成了 0–1。
# 3. 平均 1 对；1/50，也就是 2%。
# 4. `compositional`，它的每个场景都有训练中没有的组合。
# 5. 它只看每种颜色占多少，打乱像素不改变这个比例。
#
# </details>

# %% [markdown] lang="en"
# ## Quiz
#
# 1. Can `UInt8[Tensor, "batch 3 side side"]` be `(8, 3, 64, 32)`?
# 2. A picture comes out all white. What is the likeliest mistake?
# 3. Fifty pictures, fifty sentences: how many does guessing get right on average, and what is the chance level of Recall@1?
# 4. Training never shows a red circle. Which split asks about red circles?
# 5. Why does the colour baseline score the same after the pixels are shuffled?
#
# <details><summary>Answers</summary>
#
# 1. No: `side` stands twice, so height and width must be equal.
# 2. Values of 0–255 were taken for 0–1.
# 3. One; 1/50, that is 2%.
# 4. `compositional`: each of its scenes holds a pair that training lacks.
# 5. It sees only how much of each colour there is, and shuffling does not change that.
#
# </details>

# %% [markdown] lang="zh"
# ## 参考文献
#
# - Kuhnle 与 Copestake，2017：[ShapeWorld](https://arxiv.org/abs/1704.04517)。用生成的形状世界检验模型到底懂了什么，我们的世界沿用了这个思路。
# - Johnson 等，2017：[CLEVR](https://arxiv.org/abs/1612.06890)。生成的三维场景，专考组合与推理。
# - Radford 等，2021：[CLIP](https://arxiv.org/abs/2103.00020)。第 01 章的主角。
# - Rogozhnikov，2022：[einops](https://openreview.net/forum?id=oapKSVM2bcj)。把形状写清楚的张量变换。
#
# **下一章**：00a，图片和句子怎样变成数字？第 10 节的十道题说 00a、00b 都可以跳过的话，直接去 01：哪句话配哪张图？你会写出 `clip_loss`，打开这一章的黑盒，让一个看得见形状的模型来玩你的那一局。

# %% [markdown] lang="en"
# ## References
#
# - Kuhnle and Copestake 2017: [ShapeWorld](https://arxiv.org/abs/1704.04517). A generated world of shapes that tests what a model has understood; ours is built in its spirit.
# - Johnson et al. 2017: [CLEVR](https://arxiv.org/abs/1612.06890). Generated 3-D scenes that test composition and reasoning.
# - Radford et al. 2021: [CLIP](https://arxiv.org/abs/2103.00020). The hero of chapter 01.
# - Rogozhnikov 2022: [einops](https://openreview.net/forum?id=oapKSVM2bcj). Tensor operations that spell out their shapes.
#
# **Next**: chapter 00a, how do a picture and a sentence become numbers? If the ten questions of section 10 say so, go straight on to 01: which text goes with which image? You write
# `clip_loss`, open this chapter's black box, and let a model that sees shapes play your game.
