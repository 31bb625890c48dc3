//! What kind of business stands at a place, and which trade that belongs to.
//!
//! Invariant: the list is closed. A place whose tags fit none of these words is not a place of
//! commerce for us, and whoever reads it must say so.

base::plain_enum! {
    /// The trade that a category belongs to: the first level of the tree.
    pub enum Trade {
        Catering = "catering", Retail = "retail", Services = "services", Lodging = "lodging",
        Culture = "culture", Leisure = "leisure", Health = "health",
    }
}

base::plain_enum! {
    /// The category of a business: the second level of the tree.
    pub enum Category {
        Restaurant = "restaurant", NoodleShop = "noodle_shop", DumplingShop = "dumpling_shop",
        Hotpot = "hotpot", Barbecue = "barbecue", FastFood = "fast_food", Canteen = "canteen",
        Breakfast = "breakfast", Cafe = "cafe", Teahouse = "teahouse", TeaDrinks = "tea_drinks",
        Bar = "bar", DessertShop = "dessert_shop",

        Bakery = "bakery", Butcher = "butcher", TofuShop = "tofu_shop",
        Greengrocer = "greengrocer", FruitShop = "fruit_shop", Grocer = "grocer",
        SnackShop = "snack_shop", TeaShop = "tea_shop", DrinksShop = "drinks_shop",
        Convenience = "convenience", Supermarket = "supermarket",
        DepartmentStore = "department_store", Kiosk = "kiosk", Bookshop = "bookshop",
        SecondHand = "second_hand", Stationery = "stationery", ToyShop = "toy_shop",
        GiftShop = "gift_shop", Clothes = "clothes", Shoes = "shoes", Jewellery = "jewellery",
        Florist = "florist", GardenCentre = "garden_centre", PetShop = "pet_shop",
        Hardware = "hardware", HouseGoods = "house_goods", Electronics = "electronics",
        MusicShop = "music_shop", SportsShop = "sports_shop", BicycleShop = "bicycle_shop",
        CarTrade = "car_trade", Fuel = "fuel", Optician = "optician", Pharmacy = "pharmacy",
        Herbalist = "herbalist", Chemist = "chemist", Shop = "shop",

        Barber = "barber", Beauty = "beauty", Massage = "massage", Laundry = "laundry",
        Tailor = "tailor", ShoeRepair = "shoe_repair", Repair = "repair",
        KeyCutter = "key_cutter", PhotoStudio = "photo_studio", PrintShop = "print_shop",
        Craft = "craft", CarService = "car_service", TravelAgency = "travel_agency",
        Office = "office", Class = "class",

        Guesthouse = "guesthouse", Hotel = "hotel",

        Cinema = "cinema", Theatre = "theatre", Museum = "museum", Attraction = "attraction",

        Bathhouse = "bathhouse", InternetCafe = "internet_cafe", Karaoke = "karaoke",
        Gym = "gym", Leisure = "leisure",

        Clinic = "clinic", Dentist = "dentist", Vet = "vet",
    }
}

impl Category {
    /// The trade of this category.
    pub const fn trade(self) -> Trade {
        use Category::*;
        match self {
            Restaurant | NoodleShop | DumplingShop | Hotpot | Barbecue | FastFood | Canteen
            | Breakfast | Cafe | Teahouse | TeaDrinks | Bar | DessertShop => Trade::Catering,
            Bakery | Butcher | TofuShop | Greengrocer | FruitShop | Grocer | SnackShop
            | TeaShop | DrinksShop | Convenience | Supermarket | DepartmentStore | Kiosk
            | Bookshop | SecondHand | Stationery | ToyShop | GiftShop | Clothes | Shoes
            | Jewellery | Florist | GardenCentre | PetShop | Hardware | HouseGoods
            | Electronics | MusicShop | SportsShop | BicycleShop | CarTrade | Fuel | Optician
            | Pharmacy | Herbalist | Chemist | Shop => Trade::Retail,
            Barber | Beauty | Massage | Laundry | Tailor | ShoeRepair | Repair | KeyCutter
            | PhotoStudio | PrintShop | Craft | CarService | TravelAgency | Office | Class => {
                Trade::Services
            }
            Guesthouse | Hotel => Trade::Lodging,
            Cinema | Theatre | Museum | Attraction => Trade::Culture,
            Bathhouse | InternetCafe | Karaoke | Gym | Leisure => Trade::Leisure,
            Clinic | Dentist | Vet => Trade::Health,
        }
    }

    /// The category's name for people: Chinese, English.
    pub const fn names(self) -> (&'static str, &'static str) {
        use Category::*;
        match self {
            Restaurant => ("餐馆", "Restaurant"),
            NoodleShop => ("面馆", "Noodle shop"),
            DumplingShop => ("饺子馆", "Dumpling shop"),
            Hotpot => ("火锅", "Hotpot"),
            Barbecue => ("烧烤", "Barbecue"),
            FastFood => ("快餐", "Fast food"),
            Canteen => ("食堂", "Canteen"),
            Breakfast => ("早点", "Breakfast"),
            Cafe => ("咖啡馆", "Café"),
            Teahouse => ("茶馆", "Teahouse"),
            TeaDrinks => ("奶茶", "Tea drinks"),
            Bar => ("酒馆", "Bar"),
            DessertShop => ("甜品", "Desserts"),
            Bakery => ("面包房", "Bakery"),
            Butcher => ("肉铺", "Butcher"),
            TofuShop => ("豆腐坊", "Tofu workshop"),
            Greengrocer => ("菜店", "Greengrocer"),
            FruitShop => ("水果店", "Fruit"),
            Grocer => ("粮油食品", "Grocer"),
            SnackShop => ("炒货零食", "Nuts and sweets"),
            TeaShop => ("茶庄", "Tea shop"),
            DrinksShop => ("酒水店", "Drinks"),
            Convenience => ("便利店", "Convenience store"),
            Supermarket => ("超市", "Supermarket"),
            DepartmentStore => ("商场", "Department store"),
            Kiosk => ("小卖部", "Kiosk"),
            Bookshop => ("书店", "Bookshop"),
            SecondHand => ("旧货", "Second-hand"),
            Stationery => ("文具", "Stationery"),
            ToyShop => ("玩具", "Toys"),
            GiftShop => ("礼品", "Gifts"),
            Clothes => ("服装", "Clothes"),
            Shoes => ("鞋店", "Shoes"),
            Jewellery => ("首饰", "Jewellery"),
            Florist => ("花店", "Florist"),
            GardenCentre => ("园艺", "Garden centre"),
            PetShop => ("宠物店", "Pet shop"),
            Hardware => ("五金", "Hardware"),
            HouseGoods => ("家居", "House goods"),
            Electronics => ("电器", "Electronics"),
            MusicShop => ("乐器", "Music"),
            SportsShop => ("体育用品", "Sports goods"),
            BicycleShop => ("自行车行", "Bicycles"),
            CarTrade => ("汽车销售", "Cars"),
            Fuel => ("加油站", "Fuel"),
            Optician => ("眼镜店", "Optician"),
            Pharmacy => ("药店", "Pharmacy"),
            Herbalist => ("药食干货", "Herbs"),
            Chemist => ("日化", "Chemist"),
            Shop => ("商店", "Shop"),
            Barber => ("理发", "Hairdresser"),
            Beauty => ("美容", "Beauty"),
            Massage => ("足疗按摩", "Massage"),
            Laundry => ("洗衣", "Laundry"),
            Tailor => ("裁缝", "Tailor"),
            ShoeRepair => ("修鞋", "Shoe repair"),
            Repair => ("修理", "Repairs"),
            KeyCutter => ("配钥匙", "Keys"),
            PhotoStudio => ("照相馆", "Photo studio"),
            PrintShop => ("图文打印", "Print shop"),
            Craft => ("手艺", "Craft"),
            CarService => ("汽车服务", "Car service"),
            TravelAgency => ("旅行社", "Travel agency"),
            Office => ("事务所", "Office"),
            Class => ("教室", "Classes"),
            Guesthouse => ("客栈", "Guesthouse"),
            Hotel => ("酒店", "Hotel"),
            Cinema => ("影院", "Cinema"),
            Theatre => ("剧场", "Theatre"),
            Museum => ("博物馆", "Museum"),
            Attraction => ("景点", "Attraction"),
            Bathhouse => ("浴池", "Bathhouse"),
            InternetCafe => ("网吧", "Internet café"),
            Karaoke => ("歌厅", "Karaoke"),
            Gym => ("健身", "Gym"),
            Leisure => ("休闲", "Leisure"),
            Clinic => ("诊所", "Clinic"),
            Dentist => ("牙科", "Dentist"),
            Vet => ("动物诊所", "Vet"),
        }
    }
}
