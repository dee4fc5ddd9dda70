//! "Did you mean": the nearest of some words.

/// The word of `words` that was most likely meant by `given`, if one is near enough: the same but
/// for case and dashes, or few letters away.
pub fn nearest<'a>(given: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |s: &str| -> Vec<char> {
        s.chars()
            .filter(|c| !matches!(c, '_' | '-' | ' ' | '.'))
            .flat_map(char::to_lowercase)
            .collect()
    };
    let wanted = plain(given);
    words
        .into_iter()
        .map(|word| {
            let plain = plain(word);
            let limit = (plain.len().max(wanted.len()) / 4).max(1);
            (distance(&wanted, &plain), limit, word)
        })
        .filter(|(distance, limit, _)| distance <= limit)
        .min_by_key(|(distance, _, _)| *distance)
        .map(|(_, _, word)| word)
}

/// Letters to add, drop, change or swap (optimal string alignment). Long words are not compared:
/// nobody mistypes fifty letters, and the work grows with the product of both lengths.
fn distance(a: &[char], b: &[char]) -> usize {
    if a.len() > 50 || b.len() > 50 {
        return if a == b { 0 } else { usize::MAX };
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut least = (above[j] + usize::from(x != y))
                .min(above[j + 1] + 1)
                .min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        let words = ["image", "engine", "timeZone", "resources", "Postgres"];
        for (given, meant) in [
            ("imagee", Some("image")),
            ("iamge", Some("image")),
            ("time_zone", Some("timeZone")),
            ("postgress", Some("Postgres")),
            ("x", None),
            ("", None),
            ("replicas", None),
            ("imagine", None),
        ] {
            assert_eq!(nearest(given, words), meant, "{given}");
        }
    }

    #[test]
    fn letters_are_added_dropped_changed_or_swapped_and_long_words_not_compared() {
        let (fifty, longer) = ("a".repeat(50), "a".repeat(51));
        let slip = format!("{}b", "a".repeat(49));
        for (one, other, steps) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("", "abc", 3),
            ("abc", "ab", 1),
            ("abc", "xbc", 1),
            ("abc", "abx", 1),
            ("ab", "ba", 1),
            ("abcd", "acbd", 1),
            ("xab", "xxba", 2),
            ("ca", "abc", 3),
            ("kitten", "sitting", 3),
            ("flaw", "lawn", 2),
            (&fifty, &slip, 1),
            (&longer, &longer, 0),
            (&longer, &fifty, usize::MAX),
        ] {
            let letters = |word: &str| -> Vec<char> { word.chars().collect() };
            let (one, other) = (letters(one), letters(other));
            assert_eq!(distance(&one, &other), steps, "{one:?} {other:?}");
            assert_eq!(distance(&other, &one), steps, "{other:?} {one:?}");
        }
    }

    #[test]
    fn a_quarter_of_a_longer_words_letters_may_be_wrong() {
        for (given, meant) in [
            ("xyintenance", Some("maintenance")),
            ("xyzntenance", None),
            ("ax", Some("ab")),
            ("xy", None),
            ("ABCD", Some("ab-cd")),
        ] {
            let words = ["maintenance", "ab", "ab-cd"];
            assert_eq!(nearest(given, words), meant, "{given}");
        }
    }
}
