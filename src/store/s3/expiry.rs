//! A bucket's own rules: whether they remove what lies there, and when.

use aws_sdk_s3::types::{ExpirationStatus, LifecycleRule};

/// Days after which a rule removes objects whose keys begin with a prefix; the shortest of them.
///
/// Rules for objects with tags are none of ours: what db4sci writes has no tags. A rule on a longer
/// prefix than ours removes some of what is ours.
pub(super) fn shortest(rules: &[LifecycleRule], prefix: &str) -> Option<u32> {
    rules
        .iter()
        .filter(|rule| *rule.status() == ExpirationStatus::Enabled)
        .filter(|rule| concerns(rule, prefix))
        .filter_map(|rule| rule.expiration()?.days())
        .filter_map(|days| u32::try_from(days).ok())
        .min()
}

fn concerns(rule: &LifecycleRule, prefix: &str) -> bool {
    let filter = rule.filter();
    let and = filter.and_then(|f| f.and());
    let tagged =
        filter.is_some_and(|f| f.tag().is_some()) || and.is_some_and(|a| !a.tags().is_empty());
    // `Prefix` outside of a filter is the protocol's older way.
    #[allow(deprecated, reason = "servers answer with it")]
    let of_rule = rule.prefix();
    let of_filter = filter
        .and_then(|f| f.prefix())
        .or(and.and_then(|a| a.prefix()));
    let theirs = of_filter.or(of_rule).unwrap_or_default();
    !tagged && (prefix.starts_with(theirs) || theirs.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::types::{
        LifecycleExpiration, LifecycleRuleAndOperator, LifecycleRuleFilter, Tag,
    };

    fn rule(status: ExpirationStatus, days: i32, filter: LifecycleRuleFilter) -> LifecycleRule {
        LifecycleRule::builder()
            .status(status)
            .expiration(LifecycleExpiration::builder().days(days).build())
            .filter(filter)
            .build()
            .unwrap()
    }

    fn on(prefix: &str) -> LifecycleRuleFilter {
        LifecycleRuleFilter::builder().prefix(prefix).build()
    }

    #[test]
    fn the_shortest_rule_that_concerns_us_is_told() {
        use ExpirationStatus::{Disabled, Enabled};
        let tag = Tag::builder().key("k").value("v").build().unwrap();
        let tagged = LifecycleRuleAndOperator::builder()
            .prefix("prod/")
            .tags(tag)
            .build();
        let rules = [
            rule(Disabled, 1, on("")),
            rule(Enabled, 2, on("other/")),
            rule(
                Enabled,
                3,
                LifecycleRuleFilter::builder().and(tagged).build(),
            ),
            rule(Enabled, 90, on("")),
            rule(Enabled, 30, on("prod/")),
            rule(Enabled, 7, on("prod/abc/genomics/")),
        ];
        assert_eq!(shortest(&rules, "prod/abc/"), Some(7));
        assert_eq!(shortest(&rules[..5], "prod/abc/"), Some(30));
        assert_eq!(shortest(&rules[..4], "prod/abc/"), Some(90));
        assert_eq!(shortest(&rules[..3], "prod/abc/"), None);
        assert_eq!(shortest(&[], "prod/abc/"), None);
    }
}
