//! Motifs: small flat drawings in a box from -100 to 100, y downwards, and which offer gets which.
//!
//! A line of `data/motifs.tsv` is a name, a tab, and SVG in which `$a` is the main colour, `$b` the
//! second, `$c` the accent, `$l` the light one and `$k` the dark.

use crate::category::{Category, Trade};

const MOTIFS: &str = include_str!("../../data/motifs.tsv");

/// A motif by its name; a name that does not exist draws the first, a parcel.
pub(crate) fn drawing(name: &str) -> &'static str {
    let mut all = MOTIFS.lines().filter_map(|it| it.split_once('\t'));
    let first = all.clone().next().map_or("", |(_, it)| it);
    all.find(|(it, _)| *it == name).map_or(first, |(_, it)| it)
}

/// Signs in a Chinese title and the motif that they call for; the first that fits wins, so the
/// particular stands before the general.
const BY_SIGN: &[(&str, &[&str])] = &[
    ("face", &["修面", "修眉", "面部", "新娘", "试妆", "化妆", "旗袍古风"]),
    ("mic", &["小包", "中包", "大包", "合唱"]),
    ("screen", &["大厅", "通宵", "包间", "电竞", "小时", "鼠标"]),
    ("scroll", &["扇面", "名章", "剪纸福", "年画", "横幅", "邮票", "明信片", "贺卡"]),
    ("sack", &["猫砂", "公斤", "面粉", "冰糖", "挂"]),
    ("cake", &["蛋糕", "蛋挞", "绿豆饼", "枣糕", "豌豆黄", "小贝", "点心", "茶点", "巴斯克"]),
    (
        "bowl",
        &["奶酪", "双皮奶", "杏仁豆腐", "冰粉", "豆腐脑", "甘露", "烧仙草", "龟苓膏", "绿豆沙"],
    ),
    ("haw", &["糖葫芦"]),
    ("bun", &["驴打滚", "艾窝窝", "糍粑", "包子", "馒头", "烧饼", "荷叶饼", "饭团", "菠萝包"]),
    ("bread", &["面包", "欧包", "吐司", "可颂", "法棍", "豆包", "三明治", "油条", "油饼", "焦圈"]),
    ("plate", &["煎饼", "灌饼", "曲奇", "春卷", "豆渣饼", "茯苓饼"]),
    ("greens", &["白菜（", "油菜", "菠菜", "荠菜", "小葱", "烤韭菜", "炒合菜", "罗汉斋", "黄瓜"]),
    ("root", &["土豆（", "莲藕", "生姜", "红薯", "山药", "香菇", "百合干"]),
    ("basket", &["蔬菜篮", "花篮"]),
    ("dumplings", &["饺", "锅贴", "馄饨"]),
    ("noodles", &["面", "粉", "泡馍", "酿皮"]),
    ("hotpot", &["铜锅", "单人锅", "涮", "家宴"]),
    ("skewers", &["串", "鸡翅", "板筋", "关东煮", "烤肠"]),
    ("duck", &["烤鸭", "鸭", "三黄鸡", "素烧鹅"]),
    ("fish", &["鱼", "生蚝"]),
    ("meat", &["肉", "牛腱", "牛腩", "排骨", "猪蹄", "羊腿", "里脊", "肠", "毛肚", "肺片"]),
    ("bone", &["筒骨", "狗粮"]),
    ("tofu", &["豆腐", "豆干", "腐竹"]),
    ("egg", &["蛋"]),
    ("melon", &["西瓜", "切果", "果盘"]),
    ("fruit", &["苹果", "梨", "橘", "香蕉", "葡萄", "草莓", "火龙果", "柿子", "车厘子", "西红柿"]),
    ("nuts", &["栗子", "瓜子", "核桃", "开心果", "花生", "红枣", "枸杞", "桂圆", "豆角", "毛豆"]),
    ("wine", &["酒", "金汤力", "威士忌", "IPA", "黄啤", "微醺"]),
    (
        "bottle",
        &[
            "矿泉水",
            "汽水",
            "可乐",
            "油5升",
            "洗发水",
            "消毒液",
            "护理液",
            "饮料",
            "冰红茶",
            "生理盐水",
            "清洗液",
        ],
    ),
    (
        "jar",
        &["酱", "秋梨膏", "腐乳", "墨汁", "糖蒜", "罐头", "酸奶", "维生素", "护手霜", "化毛膏"],
    ),
    ("cup", &["拿铁", "美式", "澳白", "手冲", "咖啡", "巧克力", "豆浆", "牛奶", "杏仁茶"]),
    (
        "glass",
        &[
            "奶茶",
            "奶绿",
            "鲜奶",
            "绿茶",
            "乌龙",
            "四季春",
            "酸梅汤",
            "杏皮水",
            "柠檬茶",
            "气泡",
            "姜茶",
            "冰滴",
        ],
    ),
    ("popcorn", &["爆米花"]),
    (
        "teapot",
        &[
            "茶叶蛋",
            "茶",
            "龙井",
            "小种",
            "单丛",
            "普洱",
            "铁观音",
            "肉桂",
            "牡丹",
            "寿眉",
            "银针",
            "大红袍",
            "壶",
            "杭白菊",
            "菊花",
        ],
    ),
    ("rice", &["饭", "米（", "大米", "小米", "套餐", "薏米"]),
    ("soup", &["汤", "粥"]),
    (
        "paw",
        &[
            "猫粮",
            "逗猫",
            "猫爬架",
            "猫洗",
            "犬",
            "疫苗",
            "绝育",
            "剪指甲",
            "牵引绳",
            "保护圈",
            "驱虫",
            "伊丽莎白",
        ],
    ),
    ("herbs", &["艾", "陈皮", "阿胶"]),
    ("comb", &["木梳", "洗吹"]),
    ("scissors", &["剪发", "烫发", "染发", "剃须"]),
    ("nail", &["美甲", "卸甲"]),
    ("needles", &["针灸"]),
    ("candle", &["艾灸"]),
    ("stethoscope", &["门诊", "体检", "复诊", "咨询", "血压", "换药", "拆线"]),
    ("pills", &["创可贴", "棉签", "体温", "润喉", "热敷", "口罩"]),
    ("foot", &["足疗", "修脚", "泡脚"]),
    ("hands", &["推拿", "按摩", "肩颈", "采耳", "拔罐"]),
    ("basin", &["搓", "毛巾"]),
    ("bath", &["洗浴", "浴"]),
    ("machine", &["洗熨", "干洗", "羽绒服清洗", "床单", "窗帘", "清洗"]),
    ("coat", &["大衣", "外套", "羽绒服", "样衣", "旗袍"]),
    ("scarf", &["围巾"]),
    ("shirt", &["衬衫", "裤", "围裙", "收腰", "拉链", "织补", "袜"]),
    ("shoe", &["鞋", "掌", "底更换", "开胶", "跳绳"]),
    ("bag", &["包", "袋"]),
    ("bed", &["房", "连住", "床"]),
    ("film", &["电影", "观影", "老电影", "周末券", "胶卷"]),
    ("frame", &["相框", "全家福", "写真", "合影", "百日照", "翻新", "海报", "拓片", "画册"]),
    ("camera", &["照", "冲印"]),
    ("map", &["地图", "徒步", "导览"]),
    ("bicycle", &["自行车", "整车", "刹车"]),
    ("wheel", &["胎", "链条", "车铃", "打气"]),
    ("helmet", &["头盔"]),
    ("glasses", &["镜", "验光"]),
    ("brush", &["书法", "楷书", "硬笔", "毛笔", "春联", "国画", "文房", "篆刻", "印"]),
    ("pencil", &["笔", "圆规"]),
    ("paper", &["打印", "名片", "塑封", "扫描", "纸", "信笺", "练习", "田字格", "胶装", "证书"]),
    ("book", &["《", "书", "画", "小说", "杂志", "词典", "笔记本"]),
    ("papercut", &["剪纸", "中国结", "门牌"]),
    ("mask", &["脸谱", "兔儿爷", "绢人", "毛猴", "泥"]),
    ("kite", &["风筝"]),
    ("lantern", &["灯笼"]),
    ("frog", &["青蛙", "陀螺", "空竹"]),
    ("blocks", &["积木", "七巧", "华容道", "跳棋", "鲁班"]),
    ("bear", &["熊", "老虎"]),
    ("erhu", &["二胡", "古筝", "琴", "松香", "乐器"]),
    ("flute", &["笛", "葫芦丝", "鸽哨"]),
    ("key", &["钥匙", "门禁"]),
    ("lock", &["锁"]),
    ("bulb", &["灯"]),
    ("plug", &["插线", "充电", "风扇", "收音机", "电饭锅", "小家电"]),
    ("phone", &["手机"]),
    ("umbrella", &["伞"]),
    ("case", &["箱", "行李"]),
    ("hammer", &["锤", "板手"]),
    ("spanner", &["扳手", "维修", "修复", "调校", "水龙头"]),
    ("screws", &["螺丝", "卷尺", "胶布", "生料带"]),
    ("ladder", &["梯"]),
    ("watch", &["表"]),
    ("clock", &["钟"]),
    ("ring", &["戒", "首饰", "耳钉"]),
    ("bangle", &["手镯", "手链", "银勺", "平安"]),
    ("vase", &["盖碗", "景泰蓝", "瓷"]),
    ("stool", &["凳", "拐杖", "家具"]),
    ("shelf", &["架"]),
    ("flower", &["玫瑰", "向日葵", "桔梗", "百合", "康乃馨", "鲜花", "梅花", "蝴蝶兰"]),
    ("plant", &["绿萝", "多肉", "盆"]),
    ("dumbbell", &["入场", "月卡", "私教", "太极", "瑜伽", "蛋白"]),
    ("museum", &["票券", "年卡"]),
    ("card", &["代金"]),
];

/// The motif of an offer by its Chinese title, else that of its shop.
pub(crate) fn of_offer(title: &str, category: Category) -> &'static str {
    let fits = |signs: &[&str]| signs.iter().any(|it| title.contains(it));
    let found = BY_SIGN.iter().find(|(_, signs)| fits(signs));
    found.map_or_else(|| of_category(category), |(motif, _)| motif)
}

/// The motif on the hanging sign of a shop.
pub(crate) fn of_category(category: Category) -> &'static str {
    use Category::*;
    match category {
        NoodleShop => "noodles",
        DumplingShop => "dumplings",
        Hotpot => "hotpot",
        Barbecue => "skewers",
        Canteen => "rice",
        Breakfast => "bun",
        FastFood => "plate",
        Cafe => "cup",
        Teahouse | TeaShop => "teapot",
        TeaDrinks => "glass",
        Bar => "wine",
        DrinksShop => "bottle",
        DessertShop => "bowl",
        Bakery => "bread",
        Butcher => "meat",
        TofuShop => "tofu",
        Greengrocer => "greens",
        FruitShop => "fruit",
        Grocer => "sack",
        SnackShop => "nuts",
        Bookshop | SecondHand => "book",
        Stationery => "pencil",
        ToyShop => "blocks",
        GiftShop => "kite",
        Clothes => "shirt",
        Shoes | ShoeRepair => "shoe",
        Jewellery => "ring",
        Florist => "flower",
        GardenCentre => "plant",
        PetShop | Vet => "paw",
        Hardware => "hammer",
        HouseGoods => "stool",
        Craft => "spanner",
        Repair => "clock",
        Electronics => "plug",
        MusicShop => "erhu",
        SportsShop | Gym => "dumbbell",
        BicycleShop => "bicycle",
        CarTrade | CarService => "car",
        Fuel => "pump",
        Optician => "glasses",
        Pharmacy => "pills",
        Herbalist => "herbs",
        Chemist => "jar",
        Barber => "scissors",
        Beauty => "face",
        Massage => "foot",
        Laundry => "machine",
        Tailor => "needle",
        KeyCutter => "key",
        PhotoStudio => "camera",
        PrintShop | Office => "paper",
        TravelAgency | Attraction => "map",
        Class => "brush",
        Guesthouse => "house",
        Hotel => "bed",
        Cinema => "film",
        Theatre => "mask",
        Museum => "museum",
        Bathhouse => "bath",
        InternetCafe => "screen",
        Karaoke => "mic",
        Clinic => "cross",
        Dentist => "tooth",
        Convenience | Supermarket | DepartmentStore | Kiosk | Shop | Leisure | Restaurant => {
            match category.trade() {
                Trade::Catering => "plate",
                Trade::Leisure => "lantern",
                _ => "bag",
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_motif_that_is_named_is_drawn() {
        let drawn: HashSet<&str> =
            MOTIFS.lines().filter_map(|it| it.split_once('\t')).map(|(it, _)| it).collect();
        assert_eq!(drawn.len(), MOTIFS.lines().count());
        let categories = Category::ALL.iter().map(|it| of_category(*it));
        for name in BY_SIGN.iter().map(|(it, _)| *it).chain(categories) {
            assert!(drawn.contains(name), "{name}");
        }
    }
}
